package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// MinToken is how many bytes a token has at least.
const MinToken = 16

const (
	tokenCookie = "ingest_console"
	// secureCookie is its name over TLS. With one name, a browser that has once seen
	// a worker over TLS would take no cookie of one on the same host without it.
	secureCookie = "__Host-ingest_console"
	tokenAge     = 30 * 24 * time.Hour
)

// policy lets a page load what this console serves, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard lets through what may be answered.
func (c *Console) guard(next http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.fail(w, r, http.StatusForbidden, "This was sent by another site, and was not done.")
	}))
	guarded := sameOrigin.Handler(c.known(next))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		// Not no-referrer: browsers then send forms with "Origin: null", and where
		// they send no Sec-Fetch-Site, which is without TLS, none would be taken.
		header.Set("Referrer-Policy", "same-origin")
		if !overheard(r) { // browsers take it only over TLS and on their own machine
			header.Set("Cross-Origin-Opener-Policy", "same-origin")
		}
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		if c.o.Token == "" && !Local(r.Host) {
			// A name of the attacker's that stands for this machine (DNS rebinding).
			c.fail(w, r, http.StatusMisdirectedRequest, "Without a token the console answers only to names of this machine, such as localhost.")
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// Local says whether an address, with or without a port, is this machine's alone.
func Local(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// known lets those through who know the token; the others may learn how to.
func (c *Console) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open := r.URL.Path == "/login" || r.URL.Path == "/language" || strings.HasPrefix(r.URL.Path, "/static/")
		switch {
		case open || c.isKnown(r):
			next.ServeHTTP(w, r)
		case r.Method == http.MethodGet:
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		default:
			c.fail(w, r, http.StatusUnauthorized, "Log in first.")
		}
	})
}

func (c *Console) isKnown(r *http.Request) bool {
	if c.o.Token == "" {
		return true
	}
	cookie, err := r.Cookie(cookieName(r))
	return err == nil && subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(c.cookieValue())) == 1
}

// cookieValue proves that the token is known, and does not tell it.
func (c *Console) cookieValue() string {
	mac := hmac.New(sha256.New, []byte(c.o.Token))
	mac.Write([]byte(tokenCookie))
	return hex.EncodeToString(mac.Sum(nil))
}

func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	if c.isKnown(r) {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	c.show(w, r, http.StatusOK, "login", "Log in", loginPage{Open: overheard(r)})
}

// loginPage is where a token is given.
type loginPage struct {
	Trouble string
	Open    bool // what is typed can be read on its way
}

// overheard says whether others can read on the way what is sent with a request.
// A proxy before us that speaks TLS says so; where one lies, only a warning is
// missing.
func overheard(r *http.Request) bool {
	return r.TLS == nil && !Local(r.Host) && r.Header.Get("X-Forwarded-Proto") != "https"
}

// enter takes a token.
func (c *Console) enter(w http.ResponseWriter, r *http.Request) {
	// Hashes are of one length, so that the time tells nothing.
	given, wanted := sha256.Sum256([]byte(r.PostFormValue("token"))), sha256.Sum256([]byte(c.o.Token))
	if subtle.ConstantTimeCompare(given[:], wanted[:]) != 1 {
		c.o.Logger.Warn("a wrong token was given to the console", "from", r.RemoteAddr)
		c.show(w, r, http.StatusForbidden, "login", "Log in", loginPage{"This is not the token.", overheard(r)})
		return
	}
	http.SetCookie(w, c.cookie(r, c.cookieValue(), int(tokenAge.Seconds())))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (c *Console) leave(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, c.cookie(r, "", -1))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

func cookieName(r *http.Request) string {
	if r.TLS != nil {
		return secureCookie
	}
	return tokenCookie
}

// cookie is Secure only where it came over TLS: over plain HTTP no browser would
// send it back, and nobody could log in.
func (c *Console) cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName(r), Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	}
}
