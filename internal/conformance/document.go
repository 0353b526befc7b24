package main

import (
	"fmt"
	"strings"
)

const introduction = `# Conformance

Two tables of what implementations of Kuaishou's web live protocol must do. They know nothing of how an implementation is made:
they look at HTTP calls and websocket messages. Nobody has seen a specification: what is asked for is what the web player does, and
what others who wrote clients observed. [guess] and [reported] mark what no capture shows.

The column § says what a line is about: %s.

This page is written by ` + "`go run ./internal/conformance --list`" + `; a test holds it to the tables.

## Clients
` + "```" + `
go build -o ingest ./cmd/ingest
go run ./internal/conformance -- ./ingest watch --kuaishou-url {url} {live_id}
` + "```" + `
starts the client once for each scenario, several at a time, with a simulated Kuaishou of its own: ` + "`{url}`" + ` stands for its address,
which takes the place of ` + "`https://live.kuaishou.com`" + ` and of the mobile host, and ` + "`{live_id}`" + ` for the room to watch. No shell reads the
command. The client may exit when it has been refused, or when the live has ended. It is told to stop by SIGTERM, which goes to
its process group. ` + "`--only NAME,…`" + ` takes names of scenarios or of families.

The simulated Kuaishou tells a heartbeat interval of %v and a wait before reconnects of %v to %v. Earliest times are held to the
millisecond. Latest times have %v of grace, since the machine may be busy.

In every scenario: each message is one binary, uncompressed SocketMessage, the first on a connection is 200 and there is no second
one, the websocket URL is used as it was given, and websocketinfo is asked %d times at most in any 5 s.
`

const serverIntroduction = `
## Servers
` + "```" + `
go run ./internal/conformance --server ws://127.0.0.1:8800/websocket/group1/… --stream LIVE_STREAM_ID --token TOKEN
` + "```" + `
sends bytes, and looks at the bytes that come back. The token is better given in ` + "`CONFORMANCE_TOKEN`" + ` than on the command line. In the
bytes below, ` + "`<token>`, `<stream>`, `<page>`" + ` are texts and ` + "`{ … }`" + ` is what is between, each with its length before it; ` + "`<now>`" + ` is the
time in ms as a varint.
`

// sections are the parts of the protocol that scenarios are about.
var sections = []struct{ number, about string }{
	{"0", "the whole"},
	{"1.1", "what names a room"},
	{"1.2", "the room's page"},
	{"1.3", "calls and result codes"},
	{"2.1", "connecting"},
	{"2.2", "entering"},
	{"2.3", "the answer to it, and heartbeats"},
	{"2.4", "leaving"},
	{"2.5", "errors and the end"},
	{"2.6", "reconnecting"},
	{"2.7", "recalling comments"},
	{"3", "encoding"},
	{"3.3", "messages"},
	{"7", "what breaks in practice"},
	{"8", "what a server does when it is not well"},
}

// legend explains the numbers of the sections.
func legend() string {
	var parts []string
	for _, section := range sections {
		parts = append(parts, section.number+" "+section.about)
	}
	return strings.Join(parts, ", ")
}

// document is docs/conformance.md.
func document() string {
	var b strings.Builder
	fmt.Fprintf(&b, introduction, legend(), heartbeat, minReconnect, maxReconnect, slack, maxInfos)
	family := ""
	for _, s := range scenarios() {
		if s.family != family {
			family = s.family
			fmt.Fprintf(&b, "\n### %s\n| scenario | § | a client | script |\n|---|---|---|---|\n", strings.ToUpper(family[:1])+family[1:])
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.name, s.section, s.must, s.words())
	}
	b.WriteString(serverIntroduction)
	b.WriteString("\n| scenario | § | a server | exchange |\n|---|---|---|---|\n")
	for _, s := range serverScenarios {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.name, s.section, s.must, s.words())
	}
	return b.String()
}
