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
	maxCalls      = 100 // at a time, where nothing spaces them
)

// The kinds of calls that are told apart where they were refused.
const (
	pageCall   = "page"
	socketCall = "websocketinfo"
	proxyCall  = "proxy" // the connection to it
)

// caller makes the calls of one look-up, all with the same account.
type caller struct {
	client   *Client
	account  *account
	deadline time.Time // until when the look-up is wanted; the calls queue by it
	attempt  *attempt
	guest    bool // calls by the account's exit, but without its cookies
}

// attempt is what became of a look-up's calls. It belongs to the look-up's
// goroutine.
type attempt struct {
	call       string        // the kind of the last one
	retryAfter time.Duration // what Kuaishou asked to wait, or 0
	status     int           // the HTTP status of a refusal, or 0
	known      bool          // it was not made: what would be answered is known
	weak       bool          // as Resolution has it
	// rests: a call was not made because the account or its exit must not be
	// used, or it did not get through the proxy.
	rests bool
}

// errRests ends a look-up whose account must not be used any more.
var errRests = errors.New("the account that looks the room up was refused; this call is not made")

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

// refusal is an HTTP status that is an answer about us, not about the room. With
// known it is what Kuaishou has answered not long ago: no call was made, and
// none of this kind is until then.
type refusal struct {
	state      State
	status     int
	retryAfter time.Duration
	known      time.Time
	why        string // instead of the state's sentence, with known
}

func (r *refusal) Error() string {
	if !r.known.IsZero() {
		return fmt.Sprintf("%s (answered before; not asked again until %s)", cmp.Or(r.why, r.state.Sentence()), untilText(r.known))
	}
	return fmt.Sprintf("%s (HTTP status %d)", r.state.Sentence(), r.status)
}

func (c caller) getJSON(ctx context.Context, path string, query url.Values) (answer, error) {
	return c.call(ctx, ask{path: path, query: query, accept: acceptJSON})
}

// call makes one call when it is its turn. Its errors hold neither cookies nor
// queries.
func (c caller) call(ctx context.Context, a ask) (answer, error) {
	u := *cmp.Or(a.base, c.client.base)
	u.Path, u.RawQuery = a.path, a.query.Encode()
	request, err := a.request(ctx, u.String())
	if err != nil {
		return answer{}, fmt.Errorf("asking %s: %w", withoutQuery(u.String()), err)
	}
	request.Header.Set("User-Agent", c.client.userAgent)
	request.Header.Set("Accept", a.accept)
	request.Header.Set("Accept-Language", "zh-CN,zh;q=0.9")
	if err := c.begin(ctx, callKind(a.path)); err != nil {
		return answer{}, err
	}
	return c.do(ctx, request)
}

// callKind tells calls apart by their paths.
func callKind(path string) string {
	switch {
	case strings.HasPrefix(path, "/u/"):
		return pageCall
	case strings.HasSuffix(path, "/"+giftAllList):
		return giftAllList
	}
	return path[strings.LastIndexByte(path, '/')+1:]
}

// begin waits for the call's turn.
func (c caller) begin(ctx context.Context, kind string) error {
	*c.attempt = attempt{call: kind, rests: c.attempt.rests}
	if kind == socketCall {
		if known := c.client.accounts.socketRefused(c.account); known != nil {
			c.attempt.known = true
			return known
		}
	}
	return c.turn(ctx)
}

// turn waits until the account and its exit may make a call. Each redirect is
// one, too.
func (c caller) turn(ctx context.Context) error {
	allowed := c.client.accounts.mayCall
	if c.guest {
		allowed = c.client.accounts.exitIsWell
	}
	if c.account.line.wait(ctx, c.deadline) && allowed(c.account) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.attempt.rests = true
	return errRests
}

// do makes a call whose turn it is. The time that a redirect waits for its turn
// does not count.
func (c caller) do(waiting context.Context, request *http.Request) (answer, error) {
	select {
	case c.client.calls <- struct{}{}:
		defer func() { <-c.client.calls }()
	case <-waiting.Done():
		return answer{}, waiting.Err()
	}
	ctx, cancel := context.WithCancelCause(waiting)
	defer cancel(nil)
	limit := time.AfterFunc(c.client.timeout, func() { cancel(context.DeadlineExceeded) })
	defer limit.Stop()
	client := &http.Client{
		Transport: c.account.transport,
		Jar:       c.jar(),
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("redirected more than %d times", maxRedirects)
			}
			limit.Stop()
			defer limit.Reset(c.client.timeout)
			return c.turn(waiting)
		},
	}
	address := withoutQuery(request.URL.String())
	response, err := client.Do(request.WithContext(ctx))
	if err == nil && response.StatusCode == http.StatusProxyAuthRequired {
		response.Body.Close()
		err = &proxyError{status: response.StatusCode}
	}
	if err != nil {
		if c.account.proxy != nil && isProxyTrouble(err) {
			c.attempt.rests = true
			c.client.accounts.proxyFailed(c.account, withoutURL(err))
		}
		return answer{}, fmt.Errorf("asking %s: %w", address, withoutURL(err))
	}
	defer response.Body.Close() // nothing is written: its error says nothing
	if refused := statusError(response); refused != nil {
		c.attempt.retryAfter, c.attempt.status = refused.retryAfter, refused.status
		return answer{}, refused
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("reading %s: %w", address, err)
	}
	if len(body) > maxAnswer {
		return answer{}, fmt.Errorf("reading %s: the answer is larger than %d MiB", address, maxAnswer>>20)
	}
	got := answer{body: body}
	if host := response.Request.URL.Host; host != request.URL.Host {
		got.elsewhere = host
	}
	return got, nil
}

// jar is the account's; a guest shows no cookies and keeps none.
func (c caller) jar() http.CookieJar {
	if c.guest {
		return nil
	}
	return c.account.jar
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

// withoutURL takes the address, which can hold a query, off an HTTP error.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// statusError reads the HTTP status. Kuaishou's own refusals come with 200, so
// another status is from what stands before it.
func statusError(response *http.Response) *refusal {
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

// judged tells what an answer meant, so that those who are refused ask less. It
// is to be called after the call that it is about and before the next one.
func (c caller) judged(state State) {
	if c.attempt.rests || c.attempt.known {
		return // nobody has answered
	}
	if c.guest && state != StateRateLimited {
		return // that says nothing of the account
	}
	c.client.accounts.judged(c.account, trouble{
		state: state, reason: c.attempt.reason(state), call: c.attempt.call, retryAfter: c.attempt.retryAfter, weak: c.attempt.weak,
	})
}

// reason is the sentence for a refusal, with what was asked.
func (a *attempt) reason(state State) string {
	if a.status != 0 {
		return fmt.Sprintf("%s (%s, HTTP status %d)", state.Sentence(), a.call, a.status)
	}
	return fmt.Sprintf("%s (%s)", state.Sentence(), a.call)
}
