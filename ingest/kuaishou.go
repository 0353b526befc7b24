package ingest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// KuaishouURL is where the live rooms are.
const KuaishouURL = "https://live.kuaishou.com"

// A desktop browser's: other pages are shown to other browsers.
const defaultUserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 " +
	"(KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"

// ClientOptions are the settings of a Client.
type ClientOptions struct {
	// BaseURL is an http or https address without a path. Default KuaishouURL.
	BaseURL string
	// Accounts is the path of an accounts file. CookieFile holds the cookies of
	// one account: a Cookie header, name=value lines, or a browser's cookies.txt.
	// Both are read again when they change. Cookie is the text of a Cookie header.
	// At most one of them; without, rooms are looked up as a guest.
	Accounts   string
	Cookie     string
	CookieFile string
	// Resolvers are the ways in which rooms are looked up, in their order: see
	// DefaultResolvers, which is the default.
	Resolvers []string
	// MobileURL is where byuser and the list of all gifts are asked, an address like
	// BaseURL. Default: the constants MobileURL and GiftsURL, or BaseURL when that is
	// not Kuaishou's.
	MobileURL string
	// EndpointCommand is a program with its arguments that is run with a live ID
	// behind them and prints how the room is entered: see docs/kuaishou.md. It is
	// given EndpointTimeout, by default 15 s.
	EndpointCommand []string
	EndpointTimeout time.Duration
	// UserAgent is by default that of a desktop browser.
	UserAgent string
	// Timeout bounds one request, its redirects and its body, but not the wait for
	// its turn. Default 15 s.
	Timeout time.Duration
	// MinInterval is the time between the starts of two calls from one address,
	// whichever rooms and accounts they are for. Default 1 s; below 0: none.
	MinInterval time.Duration
	// ExitName names the address that calls without a proxy come from, among
	// workers. Default: the name of the machine.
	ExitName string
	// RetryDelays replaces entries of DefaultRetryDelays.
	RetryDelays RetryDelays
	// Transport is by default a copy of http.DefaultTransport.
	Transport http.RoundTripper
	// Logger is required.
	Logger *slog.Logger
}

// Client looks rooms up at Kuaishou. It may be used by many goroutines; they
// share its accounts and the budgets of their exits.
type Client struct {
	base      *url.URL
	userAgent string
	timeout   time.Duration
	accounts  *accounts
	resolvers []string
	mobile    *url.URL
	gifts     *url.URL // where the list of all gifts is
	guests    guestPauses
	command   *endpointCommand // nil: none
	links     shortLinks
	retry     RetryDelays
	calls     chan struct{} // has one for each that is being made
	logger    *slog.Logger
}

// Resolution is the answer to a look-up.
type Resolution struct {
	// State is StateLive, StateOffline, StateRecall or one of the refusals.
	State State
	// Code is Kuaishou's result code, or 0.
	Code int
	// Reason is a sentence for a person; empty when live.
	Reason string
	// Endpoint is valid when State is StateLive; when it is StateRecall it has the
	// LiveStreamID only.
	Endpoint Endpoint
	// Via is the resolver whose answer this is.
	Via    string
	Author string
	Title  string
	// RetryAfter is when to look again; 0 when live.
	RetryAfter time.Duration
	// Account is the name of the account that looked the room up, or whose refusal
	// this is.
	Account string
	// proxy is what the room's socket goes out by; nil: none of the account's own.
	// It can hold a password.
	proxy *url.URL
	// broadcast is the LiveStreamID when it was named but no way in; down: the host
	// did not answer as it should.
	broadcast string
	down      bool
	// weak: the refusal was not said in so many words, and may be about something
	// else. One such answer is not held against the account.
	weak bool
}

// LogValue hides the token and the proxy.
func (r Resolution) LogValue() slog.Value {
	return slog.GroupValue(slog.String("state", string(r.State)), slog.Int("code", r.Code),
		slog.String("reason", r.Reason), slog.Any("endpoint", r.Endpoint), slog.String("account", r.Account))
}

// NewClient returns a Client. It fails on an address that is not one and on
// accounts that cannot be read. Close it after use.
func NewClient(options ClientOptions) (*Client, error) {
	base, err := parseSite(cmp.Or(options.BaseURL, KuaishouURL))
	if err != nil {
		return nil, err
	}
	mobile := base // a simulator plays both
	if options.MobileURL != "" || base.String() == KuaishouURL {
		if mobile, err = parseSite(cmp.Or(options.MobileURL, MobileURL)); err != nil {
			return nil, err
		}
	}
	gifts := mobile
	if mobile.String() == MobileURL {
		if gifts, err = parseSite(GiftsURL); err != nil {
			return nil, err
		}
	}
	if options.Resolvers == nil {
		options.Resolvers = DefaultResolvers()
	}
	if err := checkResolvers(options.Resolvers); err != nil {
		return nil, err
	}
	command, err := newEndpointCommand(options.EndpointCommand, cmp.Or(options.EndpointTimeout, 15*time.Second))
	if err != nil {
		return nil, err
	}
	if options.Transport == nil {
		options.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	accounts, err := newAccounts(base, accountSource{file: options.Accounts, cookieFile: options.CookieFile, cookie: options.Cookie},
		options.Transport, max(0, cmp.Or(options.MinInterval, time.Second)), options.Logger)
	if err != nil {
		return nil, err
	}
	if accounts.direct = options.ExitName; accounts.direct == "" {
		accounts.direct, _ = os.Hostname() // machines without a name count as one
	}
	return &Client{
		base:      base,
		userAgent: cmp.Or(options.UserAgent, defaultUserAgent),
		timeout:   cmp.Or(options.Timeout, 15*time.Second),
		accounts:  accounts,
		resolvers: options.Resolvers,
		mobile:    mobile,
		gifts:     gifts,
		command:   command,
		retry:     DefaultRetryDelays().With(options.RetryDelays),
		calls:     make(chan struct{}, maxCalls),
		logger:    options.Logger,
	}, nil
}

// parseSite reads an address without a path.
func parseSite(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("the address of Kuaishou %q is not of the form %s", withoutQuery(raw), KuaishouURL)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// origin is the site whose pages the sockets say that they come from.
func (c *Client) origin() string { return c.base.String() }

// Close lets go of idle connections.
func (c *Client) Close() { c.accounts.close() }

// Resolve says how it stands with a room, and how to enter it when it is live.
// What Kuaishou or the network answers is a State, never an error; the only
// error is that of ctx.
//
// The resolvers are asked in their order; see caller.room for what ends that.
//
// The answer is wanted within a time that is counted from the call: calls wait
// for their turns, and those that are wanted soonest go first. A look-up that is
// refused for reasons of the account goes on with another one that comes from
// another address; when none can be used, no call is made and the refusal is
// the answer.
func (c *Client) Resolve(ctx context.Context, liveID string, within time.Duration) (Resolution, error) {
	if !liveIDForm.MatchString(liveID) {
		return c.delayed(Resolution{State: StateInvalid, Reason: fmt.Sprintf("live ID %q: %s", quotable(liveID), acceptedLiveIDs)}, 0), nil
	}
	var said refusals // by the operator's program
	for _, ask := range []func() (Resolution, error){
		func() (Resolution, error) { return c.commanded(ctx, liveID, c.resolvers[0] == ViaEndpoint) },
		func() (Resolution, error) { return c.ask(ctx, liveID, within) },
		func() (Resolution, error) {
			return c.commanded(ctx, liveID, slices.Contains(c.resolvers[1:], ViaEndpoint))
		},
	} {
		found, err := ask()
		switch {
		case err != nil:
			return Resolution{}, fmt.Errorf("looking up %s: %w", liveID, err)
		case found.State == "":
		case !found.State.aboutUs():
			return said.with(found), nil
		default:
			said.add(found, found.RetryAfter)
		}
	}
	found, retryAfter := said.best()
	found.RetryAfter = max(found.RetryAfter, retryAfter)
	return found, nil
}

// ask looks a room up at Kuaishou, with one account after the other. A room
// whose comments can be recalled is one that another account may get into. When
// no account can be used, what may be asked as a guest still is. The State is
// empty when no resolver is one of Kuaishou's.
func (c *Client) ask(ctx context.Context, liveID string, within time.Duration) (Resolution, error) {
	if len(c.resolvers) == 1 && c.resolvers[0] == ViaEndpoint {
		return Resolution{}, nil
	}
	c.accounts.look()
	deadline := time.Now().Add(within)
	var tried []*account
	var last, recall Resolution // a refusal of an account; what is left to do
	var asked time.Duration
	for calls := 0; calls < maxTries; {
		account := c.accounts.choose(liveID, tried)
		if account == nil {
			break
		}
		tried = append(tried, account)
		call := caller{client: c, account: account, deadline: deadline, attempt: new(attempt)}
		found, retryAfter := call.room(ctx, liveID)
		if err := ctx.Err(); err != nil {
			return Resolution{}, err
		}
		if call.attempt.rests {
			continue
		}
		calls++
		found.Account, found.proxy = account.spec.name, account.proxy
		switch {
		case found.State == StateRecall:
			recall = found
		case !found.State.aboutAccount():
			return c.delayed(found, retryAfter), nil
		default:
			last, asked = found, retryAfter
		}
	}
	if recall.State != "" {
		return recall, nil
	}
	if len(tried) == 0 {
		if account := c.accounts.atWell(liveID); account != nil {
			call := caller{client: c, account: account, deadline: deadline}.asGuest()
			if found, _ := call.room(ctx, liveID); ctx.Err() == nil && !found.State.aboutUs() {
				found.proxy = account.proxy
				return c.delayed(found, 0), nil
			}
		}
	}
	return c.refused(liveID, last, asked), ctx.Err()
}

// aboutAccount says whether s is a refusal of who asks, not of the room.
func (s State) aboutAccount() bool {
	return s == StateRateLimited || s == StateCaptcha || s == StateLoginRequired
}

// refused is the answer when no account is left: what the last one was told, or
// why none was asked; and when the first one can be used again.
func (c *Client) refused(liveID string, last Resolution, asked time.Duration) Resolution {
	if last.State == "" {
		last = c.accounts.refusal(liveID)
	} else {
		last.Reason = fmt.Sprintf("account %q: %s", last.Account, last.Reason)
	}
	wait, known := c.accounts.wait(last.State)
	if !known {
		return c.delayed(last, asked)
	}
	last.RetryAfter = max(wait, asked)
	return last
}

// delayed sets when to look again: as the table says, but no sooner than asked.
func (c *Client) delayed(found Resolution, asked time.Duration) Resolution {
	if found.State != StateLive && found.State != StateRecall {
		found.RetryAfter = max(c.retry.After(found.State), asked)
	}
	return found
}
