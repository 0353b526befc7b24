package ingest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
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
	acceptPage = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	acceptJSON = "application/json, text/plain, */*"

	maxAnswer     = 8 << 20 // bytes of a page or REST answer
	maxRedirects  = 5
	maxRetryAfter = time.Hour
)

// caller makes the calls of one look-up, all with the same cookies.
type caller struct {
	client *Client
	jar    http.CookieJar
}

// ask is one call.
type ask struct {
	base   *url.URL // the host; nil: the client's
	path   string
	query  url.Values
	accept string
	body   any // sent as JSON by POST; nil: GET
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

func (c caller) getJSON(ctx context.Context, path string, query url.Values) (answer, error) {
	return c.call(ctx, ask{path: path, query: query, accept: acceptJSON})
}

// call makes one call. Its errors hold neither cookies nor queries.
func (c caller) call(ctx context.Context, a ask) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.client.timeout)
	defer cancel()
	u := *cmp.Or(a.base, c.client.base)
	u.Path, u.RawQuery = a.path, a.query.Encode()
	request, err := a.request(ctx, u.String())
	if err != nil {
		return answer{}, fmt.Errorf("asking %s: %w", withoutQuery(u.String()), err)
	}
	request.Header.Set("User-Agent", c.client.userAgent)
	request.Header.Set("Accept", a.accept)
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
	if host := response.Request.URL.Host; host != u.Host {
		got.elsewhere = host
	}
	return got, nil
}

// request is the call as HTTP has it.
func (a ask) request(ctx context.Context, address string) (*http.Request, error) {
	if a.body == nil {
		return http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	}
	body, err := json.Marshal(a.body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err == nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, err
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

// judged tells what an answer meant, so that those who are refused ask less.
func (c caller) judged(state State) {
	switch state {
	case StateRateLimited, StateCaptcha:
		c.client.pacer.refused()
	case StateUnreachable:
	default:
		c.client.pacer.accepted()
	}
}
