package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
)

// Endpoint is what it takes to enter a room. Its token is a secret: String and
// LogValue hide it, JSON holds it.
type Endpoint struct {
	// LiveStreamID is the broadcast.
	LiveStreamID string `json:"liveStreamId"`
	Token        string `json:"token"`
	// URLs are this room's own, ws or wss, in the order to try them.
	URLs []string `json:"websocketUrls"`
	// Mobile says that the token is one of the mobile share page, which enters
	// rooms a little differently.
	Mobile bool `json:"mobile,omitempty"`
}

// UnmarshalJSON also takes the URLs from webSocketAddresses, the name they have
// in livedetail and on pages, so that people can paste either.
func (e *Endpoint) UnmarshalJSON(data []byte) error {
	var form struct {
		LiveStreamID string   `json:"liveStreamId"`
		Token        string   `json:"token"`
		URLs         []string `json:"websocketUrls"`
		Addresses    []string `json:"webSocketAddresses"`
		Mobile       bool     `json:"mobile"`
	}
	if err := json.Unmarshal(data, &form); err != nil {
		// The error of encoding/json can quote the value, and that may be the token.
		return errors.New(`endpoint is not of the form {"liveStreamId":"…","token":"…","websocketUrls":["wss://…"]}`)
	}
	*e = Endpoint{LiveStreamID: form.LiveStreamID, Token: form.Token, URLs: form.URLs, Mobile: form.Mobile}
	if len(e.URLs) == 0 {
		e.URLs = form.Addresses
	}
	return nil
}

// Validate says what is missing for entering the room.
func (e Endpoint) Validate() error {
	switch {
	case e.LiveStreamID == "":
		return errors.New("endpoint has no liveStreamId")
	case e.Token == "":
		return errors.New("endpoint has no token")
	case len(e.URLs) == 0:
		return errors.New("endpoint has no websocketUrls")
	}
	for i, raw := range e.URLs {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" || (u.Scheme != "ws" && u.Scheme != "wss") {
			return fmt.Errorf("endpoint's websocketUrls[%d] is not a ws:// or wss:// address", i)
		}
	}
	return nil
}

// String hides the token.
func (e Endpoint) String() string {
	return fmt.Sprintf("endpoint of %s (%d URLs, token hidden)", e.LiveStreamID, len(e.URLs))
}

// GoString hides the token from %#v.
func (e Endpoint) GoString() string { return e.String() }

// LogValue hides the token.
func (e Endpoint) LogValue() slog.Value { return slog.StringValue(e.String()) }

// withoutQuery is an address fit for logs and errors: a query can hold a token,
// and user information a password.
func withoutQuery(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "an address that cannot be read"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
