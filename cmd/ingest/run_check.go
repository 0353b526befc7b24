package main

import (
	"errors"
	"fmt"
	"net"
	"time"

	"kslive/internal/console"
	"kslive/migrations"
)

// Validate is called when the command line has been read, also that of config
// check, config print and doctor, which have the same flags.
func (f ingestFlags) Validate() error {
	switch {
	case f.MaxRooms < 1:
		return errors.New("--max-rooms must be at least 1")
	case f.PollEvery < 10*time.Millisecond:
		return errors.New("--poll-every must be at least 10ms")
	case f.Lease < time.Second:
		return errors.New("--lease must be at least 1s")
	case f.InsertTimeout < time.Second:
		return errors.New("--insert-timeout must be at least 1s")
	case f.SegmentBytes < 1 || f.SegmentBytes > 1<<30:
		return errors.New("--segment-bytes must be between 1 and 1073741824")
	case f.SpoolMax < 0 || f.SpoolMax > 0 && f.SpoolMax < f.SegmentBytes:
		return errors.New("--spool-max must not be less than --segment-bytes")
	case f.Keep < 0:
		return errors.New("--keep must not be negative")
	case f.KeepBytes < 0:
		return errors.New("--keep-bytes must not be negative")
	case f.HandoverTimeout < 0 || f.DrainTimeout < 0:
		return errors.New("--handover-timeout and --drain-timeout must not be negative")
	}
	return nil
}

// wrong says, a line each, with which settings ingest run does not begin. It is
// asked by that, by config check and by doctor, so that all three find the same;
// it asks nobody. What is wrong with files of certificates, keys and accounts, and
// that no databases are named, is found by what reads and looks for them.
func (c *runCommand) wrong() error {
	listen := listenable("--http-listen", c.HTTPListen)
	if listen == nil {
		_, listen = c.token(c.HTTPListen)
	}
	_, retention := c.retention()
	return errors.Join(
		listen, retention, c.embedding(), migrations.ParseURLs(c.Postgres, c.Clickhouse), notNegative("--endpoint-timeout", int64(c.EndpointTimeout)),
	)
}

// embedding says what is wrong with what is said of the embedded engines.
func (c *runCommand) embedding() error {
	if !c.Embedded {
		return nil
	}
	var wrong []error
	for _, other := range []struct{ flag, value string }{
		{"--postgres", c.Postgres}, {"--clickhouse", c.Clickhouse}, {"--clickhouse-cluster", c.ClickhouseCluster},
	} {
		if other.value != "" {
			wrong = append(wrong, fmt.Errorf("--embedded keeps both databases in the data folder, and %s is for servers of yours: leave one out (ingest config print says where each is from)", other.flag))
		}
	}
	if err := listenable("--clickhouse-listen", c.ClickhouseListen); err != nil {
		wrong = append(wrong, err)
	} else if !console.Local(c.ClickhouseListen) {
		wrong = append(wrong, fmt.Errorf("--clickhouse-listen %s can be reached from other machines: name an address of this machine, such as 127.0.0.1:8123", c.ClickhouseListen))
	}
	return errors.Join(append(wrong, notNegative("--clickhouse-memory", c.ClickhouseMemory))...)
}

// listenable says what is wrong with an address to listen on, empty for none.
func listenable(flag, address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("%s %q is no address to listen on: it must look like 127.0.0.1:9110", flag, address)
	}
	return nil
}

func notNegative(flag string, number int64) error {
	if number < 0 {
		return errors.New(flag + " must not be negative")
	}
	return nil
}
