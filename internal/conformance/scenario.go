package main

import (
	"context"
	"fmt"
	"time"

	"kslive/internal/simulator"
)

// scenario is one thing that a client must do, and how it is found out whether
// it does.
type scenario struct {
	name   string
	family string
	// section is the part of the protocol that says so; must is what it says, as
	// the rest of a sentence that begins with "A client".
	section string
	must    string
	// as names a scenario whose script is the same but for one number.
	as string
	// before is done before the client is started, script while it runs.
	before []step
	script []step
	// given is what the client is told of the room; nil: its live ID.
	given func(*stage) string
	// options change how the simulated Kuaishou is; nil leaves the usual pace.
	options func(*simulator.Options)
}

// step is one line of a script: words for people, and what is done or checked.
type step struct {
	says string
	do   func(*stage) error
}

// The pace that clients are told, in the first answer on a socket. It is a
// tenth of the real one, so that a run is over soon.
const (
	heartbeat = 2 * time.Second
	// usualHeartbeat is the real one, for when none is told.
	usualHeartbeat = 20 * time.Second
	minReconnect   = 400 * time.Millisecond
	maxReconnect   = 800 * time.Millisecond
	// unknownReconnect is the least wait before a reconnect while nothing has
	// been told.
	unknownReconnect = time.Second
)

const (
	// starting is how long a client may take to its first call or handshake:
	// `go run` may have to compile it.
	starting = 90 * time.Second
	// entering is how long it may take from there to the room.
	entering = 20 * time.Second
	// slack is added to every latest time: what is late because the machine is
	// busy is not the client's fault. Earliest times have none.
	slack = 10 * time.Second
)

// verdict is how a scenario went.
type verdict struct {
	scenario scenario
	err      error // nil: as it must be
	took     time.Duration
}

// play runs one scenario against a client of its own.
func play(ctx context.Context, s scenario, command []string) verdict {
	began := time.Now()
	err := perform(ctx, s, command)
	return verdict{s, err, time.Since(began)}
}

func perform(ctx context.Context, s scenario, command []string) (err error) {
	st, err := newStage(ctx, s)
	if err != nil {
		return err
	}
	defer st.close()
	for _, step := range s.before {
		if err := step.do(st); err != nil {
			return fmt.Errorf("%s: %w", step.says, err)
		}
	}
	st.command = command
	told := st.liveID
	if s.given != nil {
		told = s.given(st)
	}
	if st.client, err = startClient(command, st.simulator.URL(), told); err != nil {
		return err
	}
	for _, step := range s.script {
		if err := step.do(st); err != nil {
			return fmt.Errorf("%s: %w%s", step.says, err, st.client.lastWords())
		}
	}
	return st.lawful()
}
