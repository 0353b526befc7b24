package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// ResolveShortLink asks what a short link stands for and returns its live ID.
// The link is https://v.kuaishou.com/<code>, or on the client's own address. It
// is asked without cookies, and only for where it leads; each step takes a turn
// of the exit it goes by.
func (c *Client) ResolveShortLink(ctx context.Context, link string) (string, error) {
	link = strings.TrimSpace(link)
	if !strings.Contains(link, "://") {
		link = "https://" + link
	}
	next, err := url.Parse(link)
	if err != nil {
		return "", fmt.Errorf("short link %q is not an address", quotable(link))
	}
	call, unwell := c.guestCaller(link, c.timeout)
	if unwell != nil {
		return "", fmt.Errorf("short link %s: %w", withoutQuery(link), &notAsked{*unwell})
	}
	call = call.asGuest()
	for range maxRedirects {
		if next.Host != c.base.Host && !isKuaishouHost(next.Hostname()) {
			return "", fmt.Errorf("short link %s leads away from Kuaishou, to %s", withoutQuery(link), next.Host)
		}
		next, err = call.location(ctx, next)
		switch {
		case errors.Is(err, errRests) && c.accounts.replaced(call.account):
			return c.ResolveShortLink(ctx, link) // by what is there instead
		case errors.Is(err, errRests):
			refused := c.refused(link, Resolution{}, 0)
			return "", fmt.Errorf("short link %s: %w", withoutQuery(link), &notAsked{refused})
		case err != nil:
			return "", fmt.Errorf("short link %s: %w", withoutQuery(link), err)
		}
		// A simulator's links lead to its own address.
		if found := liveIDPath.FindStringSubmatch(next.Path); found != nil && next.Host == c.base.Host && liveIDForm.MatchString(found[1]) {
			return found[1], nil
		}
		if liveID, err := ParseLiveID(next.String()); err == nil {
			return liveID, nil
		}
	}
	return "", fmt.Errorf("short link %s leads to no live", withoutQuery(link))
}

// notAsked is why a link was not asked: it may not be now.
type notAsked struct{ refused Resolution }

func (e *notAsked) Error() string { return e.refused.Reason }

// location returns where an address redirects to.
func (c caller) location(ctx context.Context, from *url.URL) (*url.URL, error) {
	if err := c.turn(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.client.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", c.client.userAgent)
	response, err := c.account.transport.RoundTrip(request)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer response.Body.Close() // not read
	to, err := response.Location()
	if errors.Is(err, http.ErrNoLocation) {
		return nil, fmt.Errorf("leads to no live (HTTP status %d)", response.StatusCode)
	}
	if err != nil {
		return nil, errors.New("leads to something that is not an address")
	}
	return to, nil
}

// maxShortLinks is how many links a process remembers; past that it begins anew.
const maxShortLinks = 10_000

// shortLinks are those whose live IDs are known. What a link stands for does not
// change.
type shortLinks struct {
	mu    sync.Mutex
	known map[string]string
}

// ParseLiveID is the function of that name, but it also takes addresses on the
// client's own host, as those of a simulator are.
func (c *Client) ParseLiveID(text string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" || u.Host != c.base.Host {
		return ParseLiveID(text)
	}
	if found := liveIDPath.FindStringSubmatch(u.Path); found != nil && liveIDForm.MatchString(found[1]) {
		return found[1], nil
	}
	if strings.HasPrefix(u.Path, "/s/") {
		return "", ErrShortLink
	}
	return ParseLiveID(text)
}

// LiveIDOf is ResolveShortLink, but a link is asked for once only.
func (c *Client) LiveIDOf(ctx context.Context, link string) (string, error) {
	c.links.mu.Lock()
	liveID, known := c.links.known[link]
	c.links.mu.Unlock()
	if known {
		return liveID, nil
	}
	liveID, err := c.ResolveShortLink(ctx, link)
	if err != nil {
		return "", err
	}
	c.links.mu.Lock()
	defer c.links.mu.Unlock()
	if c.links.known == nil || len(c.links.known) >= maxShortLinks {
		c.links.known = make(map[string]string)
	}
	c.links.known[link] = liveID
	return liveID, nil
}

// unresolved is the last report of a room of whose short link err is known.
func (c *Client) unresolved(ctx context.Context, err error) Report {
	if ctx.Err() != nil {
		return Report{State: StateStopped, Reason: StateStopped.Sentence()}
	}
	if unwell, ok := errors.AsType[*notAsked](err); ok {
		return Report{State: unwell.refused.State, Reason: err.Error(), RetryAfter: unwell.refused.RetryAfter, Account: unwell.refused.Account}
	}
	// As seldom as a room off air: a link that is wrong stays so.
	return Report{State: StateUnreachable, Reason: err.Error(), RetryAfter: c.retry.After(StateOffline)}
}
