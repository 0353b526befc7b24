package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxAnswer     = 8 << 20 // bytes of a page or REST answer
	maxRedirects  = 5
	maxRetryAfter = time.Hour
)

// caller makes the calls of one look-up, all with the same cookies.
type caller struct {
	client *Client
	jar    http.CookieJar
}

// answer is what came back from a call that got through.
type answer struct {
	body []byte
	// elsewhere is the host that Kuaishou redirected to, when it is another.
	elsewhere string
}

// refusal is an HTTP status that is an answer about us, not about the room.
type refusal struct {
	state      State
	status     int
	retryAfter time.Duration
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s (HTTP status %d)", r.state.Sentence(), r.status)
}

// room looks one room up. The duration is what Kuaishou asked to wait, or 0.
func (c caller) room(ctx context.Context, liveID string) (Resolution, time.Duration) {
	page, err := c.get(ctx, "/u/"+liveID, nil, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	if err != nil {
		return unanswered(err)
	}
	info, err := parsePage(page.body)
	switch {
	case err != nil && page.elsewhere != "":
		return Resolution{State: StateLoginRequired, Reason: fmt.Sprintf(
			"Kuaishou sends to %s instead of showing the room; log in with a browser and supply its cookie", page.elsewhere)}, 0
	case err != nil:
		c.client.logger.Warn("the room page cannot be read; asking livedetail", "live_id", liveID, "error", err)
		detail, err := c.getJSON(ctx, "/live_api/liveroom/livedetail", url.Values{"principalId": {liveID}})
		if err != nil {
			return unanswered(err)
		}
		if info, err = parseDetail(detail.body); err != nil {
			return unanswered(fmt.Errorf("neither the room page nor livedetail can be read: %w", err))
		}
	}
	found := info.judge(liveID)
	if found.State != StateLive || found.Endpoint.Validate() == nil {
		return found, 0
	}
	return c.socket(ctx, found)
}

// socket completes the endpoint of a live room.
func (c caller) socket(ctx context.Context, found Resolution) (Resolution, time.Duration) {
	refuse := func(state State, code int, reason string) (Resolution, time.Duration) {
		return Resolution{State: state, Code: code, Reason: reason, Author: found.Author, Title: found.Title}, 0
	}
	got, err := c.getJSON(ctx, "/live_api/liveroom/websocketinfo",
		url.Values{"liveStreamId": {found.Endpoint.LiveStreamID}, "caver": {"2"}})
	if err != nil {
		return unanswered(err)
	}
	v, err := parseLoose(got.body)
	if err != nil {
		return unanswered(fmt.Errorf("websocketinfo: %w", err))
	}
	data := v.at("data")
	if code := data.at("result").number(); code != codeOK && code != 0 {
		state := stateOfCode(code)
		if state == StateNotFound {
			state = StateUnreachable // about the broadcast: the author was just seen
		}
		return refuse(state, code, reasonOfCode(code, answerMessage(data)))
	}
	found.Endpoint.Token, found.Endpoint.URLs = data.at("token").text(), socketURLs(data)
	if found.Endpoint.Token == "" || len(found.Endpoint.URLs) == 0 {
		return refuse(StateLoginRequired, 0, "Kuaishou names no socket for the room, as it does to those not logged in; "+
			"supply a logged-in cookie (with kuaishou.live.web_st) or the room's endpoint")
	}
	if err := found.Endpoint.Validate(); err != nil {
		return unanswered(fmt.Errorf("websocketinfo: %w", err))
	}
	return found, 0
}

// unanswered is the Resolution for a call that brought nothing to read.
func unanswered(err error) (Resolution, time.Duration) {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return Resolution{State: refused.state, Reason: refused.Error()}, refused.retryAfter
	}
	return Resolution{State: StateUnreachable, Reason: quotable(err.Error())}, 0
}

func (c caller) getJSON(ctx context.Context, path string, query url.Values) (answer, error) {
	return c.get(ctx, path, query, "application/json, text/plain, */*")
}

// get makes one call. Its errors hold neither cookies nor queries.
func (c caller) get(ctx context.Context, path string, query url.Values, accept string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.client.timeout)
	defer cancel()
	u := *c.client.base
	u.Path, u.RawQuery = path, query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return answer{}, fmt.Errorf("asking %s: %w", withoutQuery(u.String()), err)
	}
	request.Header.Set("User-Agent", c.client.userAgent)
	request.Header.Set("Accept", accept)
	request.Header.Set("Accept-Language", "zh-CN,zh;q=0.9")
	response, err := c.httpClient().Do(request)
	if err != nil {
		return answer{}, fmt.Errorf("asking %s: %w", withoutQuery(u.String()), withoutURL(err))
	}
	defer response.Body.Close() // nothing is written: its error says nothing
	if err := statusError(response); err != nil {
		return answer{}, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("reading %s: %w", withoutQuery(u.String()), err)
	}
	if len(body) > maxAnswer {
		return answer{}, fmt.Errorf("reading %s: the answer is larger than %d MiB", withoutQuery(u.String()), maxAnswer>>20)
	}
	got := answer{body: body}
	if host := response.Request.URL.Host; host != c.client.base.Host {
		got.elsewhere = host
	}
	return got, nil
}

func (c caller) httpClient() *http.Client {
	return &http.Client{
		Transport: c.client.transport,
		Jar:       c.jar,
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("redirected more than %d times", maxRedirects)
			}
			return nil
		},
	}
}

// withoutURL takes the address, which can hold a query, off an HTTP error.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// statusError reads the HTTP status. Kuaishou's own refusals come with 200, so
// another status is from what stands before it.
func statusError(response *http.Response) error {
	refused := &refusal{status: response.StatusCode, retryAfter: retryAfter(response.Header)}
	switch code := response.StatusCode; {
	case code >= 200 && code <= 299:
		return nil
	case code == http.StatusForbidden, code == http.StatusTooManyRequests:
		refused.state = StateRateLimited
	case code == http.StatusUnauthorized:
		refused.state = StateLoginRequired
	default:
		refused.state = StateUnreachable
	}
	return refused
}

// retryAfter reads the header in either of its forms; at most maxRetryAfter.
func retryAfter(header http.Header) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), maxRetryAfter)
	}
	return 0
}
