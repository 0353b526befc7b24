package ingest

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// ErrShortLink is returned for a v.kuaishou.com link: what it stands for must
// be asked with Client.ResolveShortLink.
var ErrShortLink = errors.New("this is a short link: open it in a browser and use the address it leads to")

const acceptedLiveIDs = "want an ID such as 3xabcdefgh23456 or KPL704668133, " +
	"or an address such as https://live.kuaishou.com/u/<id> or https://www.kuaishou.com/profile/<id>"

var (
	// A generated ID is 3x and 13 more; people choose their own of other lengths.
	liveIDForm = regexp.MustCompile(`^[A-Za-z0-9_-]{3,64}$`)
	// What stands before the ID in the path of an address.
	liveIDPath = regexp.MustCompile(`^/(?:u|profile|fw/live|fw/photo)/([^/]+)`)
)

// ParseLiveID returns the live ID (principalId) that a person wrote: bare, or
// within the address of a room, a profile or a shared live. Letters keep their
// case. The error says what is accepted; it wraps ErrShortLink for short links.
func ParseLiveID(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", fmt.Errorf("live ID is empty: %s", acceptedLiveIDs)
	}
	if liveIDForm.MatchString(s) {
		return s, nil
	}
	refused := func(why string) error {
		return fmt.Errorf("live ID %q: %s: %s", quotable(s), why, acceptedLiveIDs)
	}
	// People copy addresses without the scheme.
	address := s
	if !strings.Contains(s, "://") && strings.Contains(s, "/") {
		address = "https://" + s
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return "", refused("neither an ID nor an address")
	}
	host := strings.ToLower(u.Hostname())
	if host == "v.kuaishou.com" && !liveIDPath.MatchString(u.Path) {
		return "", fmt.Errorf("live ID %q: %w", quotable(s), ErrShortLink)
	}
	if !isKuaishouHost(host) {
		return "", refused("not an address of Kuaishou")
	}
	found := liveIDPath.FindStringSubmatch(u.Path)
	if found == nil || !liveIDForm.MatchString(found[1]) {
		return "", refused("the address names no live")
	}
	return found[1], nil
}

func isKuaishouHost(host string) bool {
	for _, domain := range []string{"kuaishou.com", "gifshow.com", "chenzhongtech.com"} {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}
