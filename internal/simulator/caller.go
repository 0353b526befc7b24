package simulator

import (
	"net"
	"net/http"
)

// The kinds of account that a Policy can name.
const (
	AnyUser  = "user"  // logged in, whoever it is
	AnyGuest = "guest" // not logged in, with a device or without
)

// caller is who makes a call.
type caller struct {
	// account is "user <userId>" when logged in, "guest <did>" with a device
	// only, and "guest" without any cookie.
	account  string
	loggedIn bool
	address  string // the IP address that the connection comes from
}

// callerOf knows a caller as Kuaishou does: by its cookies and its address.
func callerOf(r *http.Request) caller {
	who := caller{account: AnyGuest, address: r.RemoteAddr}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		who.address = host
	}
	user, device := cookie(r, "userId"), cookie(r, "did")
	switch {
	case user != "" && cookie(r, "kuaishou.live.web_st") != "":
		who.account, who.loggedIn = AnyUser+" "+user, true
	case device != "":
		who.account = AnyGuest + " " + device
	}
	return who
}

// is whether the caller is the account, or one of the kind, that name says.
func (c caller) is(name string) bool {
	switch name {
	case "", c.account:
		return true
	case AnyUser:
		return c.loggedIn
	case AnyGuest:
		return !c.loggedIn
	}
	return false
}

func cookie(r *http.Request, name string) string {
	if found, err := r.Cookie(name); err == nil {
		return found.Value
	}
	return ""
}
