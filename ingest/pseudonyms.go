package ingest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// PseudonymKey is the secret from which pseudonyms are made. It shows itself to
// nobody: printed, it is a word.
type PseudonymKey struct{ secret []byte }

// String is no secret.
func (*PseudonymKey) String() string { return "(a key)" }

// GoString is no secret.
func (*PseudonymKey) GoString() string { return "(a key)" }

// minKey is how long a key's text is at least: 128 bits in hex.
const minKey = 32

// ReadPseudonymKey reads a key: any text of 32 characters or more, such as
// `openssl rand -hex 32` writes.
func ReadPseudonymKey(path string, logger *slog.Logger) (*PseudonymKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the key for pseudonyms: %w", err)
	}
	warnReadable(path, logger)
	key := bytes.TrimSpace(text)
	if len(key) < minKey {
		return nil, fmt.Errorf("the key for pseudonyms in %s is shorter than %d characters: make one with `openssl rand -hex 32`", path, minKey)
	}
	return &PseudonymKey{key}, nil
}

// fingerprint tells keys apart, and no more.
func (k *PseudonymKey) fingerprint() string {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte("fingerprint of a key for pseudonyms"))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Person is what the tables have of a person.
func (k *PseudonymKey) Person(p *Person) *Person {
	d := newDisguise(k.secret)
	texts := func(all []string) (others []string) {
		for _, text := range all {
			other := []byte(text)
			d.text(other)
			others = append(others, string(other))
		}
		return others
	}
	other := &Person{IDs: texts(p.IDs), Names: texts(p.Names), Skip: p.Skip}
	for _, n := range p.Numbers {
		other.Numbers = append(other.Numbers, d.number(n))
	}
	return other
}

// pseudonymizer replaces people in payloads by pseudonyms, before they are
// decoded, so that no row and no event ID is made from who they are. Not for
// concurrent use.
type pseudonymizer struct {
	*Anonymizer
	payload []byte // of the last message
}

func newPseudonymizer(key *PseudonymKey) *pseudonymizer {
	a := NewAnonymizer(0)
	a.disguise = newDisguise(key.secret)
	a.treat, a.said = pseudonymOf, a.disguise.named
	return &pseudonymizer{Anonymizer: a}
}

// message replaces who is in the message that o has opened; the payload of one that
// could not be opened is emptied, since nothing is known of it. It is valid until
// the next call, and does not change the bytes that it was read from.
func (p *pseudonymizer) message(o *opener, opened bool) {
	m := &o.message
	p.payload = append(p.payload[:0], m.Payload...)
	m.Payload = p.payload
	descriptor := payloadMessage(m.PayloadType)
	switch {
	case !opened:
		clear(m.Payload)
	case descriptor != nil && whole(m.PayloadType):
		p.names = p.names[:0]
		p.collect(m.Payload, descriptor)
		p.Anonymizer.message(m.Payload, descriptor)
	default:
		p.Anonymizer.payload(m.PayloadType, m.Payload)
	}
	if len(o.beside) > 0 {
		p.Anonymizer.message(o.beside, m.ProtoReflect().Descriptor())
		_ = o.readBeside() // all keeps its form
	}
	clear(p.done.Unknown) // nobody asks for it, and types are whatever was sent
}

// ErrPseudonyms is in errors about a key that is not the one that the tables were
// filled with.
var ErrPseudonyms = errors.New("pseudonyms")

// CheckPseudonyms says whether rows may be written with this key, which is nil
// for none. The first key that is used with tables is the one for all time: their
// rows would else tell of the same people under two names. With learn, it is noted
// when there was none.
func (c *ClickHouse) CheckPseudonyms(ctx context.Context, key *PseudonymKey, learn bool) error {
	noted := func() (prints []string, err error) {
		err = c.conn.QueryRow(ctx, "SELECT groupArray(fingerprint) FROM (SELECT fingerprint FROM pseudonyms ORDER BY since, fingerprint LIMIT 1)").Scan(&prints)
		if err != nil {
			err = fmt.Errorf("looking for pseudonyms: %w", err)
		}
		return prints, err
	}
	prints, err := noted()
	if err == nil && len(prints) == 0 && key != nil && learn {
		if err := c.conn.Exec(ctx, "INSERT INTO "+c.cluster.into("pseudonyms", nil)+" (fingerprint) VALUES ("+quoted(key.fingerprint())+")"); err != nil {
			return fmt.Errorf("noting which key the pseudonyms are made with: %w", err)
		}
		prints, err = noted() // another worker's may have been first
	}
	switch {
	case err != nil:
		return err
	case len(prints) == 0 && key == nil, len(prints) == 1 && key != nil && prints[0] == key.fingerprint():
		return nil
	case len(prints) == 0:
		return fmt.Errorf("%w: these tables hold none: leave out --pseudonymize-key-file", ErrPseudonyms)
	case key == nil:
		return fmt.Errorf("%w: these tables hold them: give --pseudonymize-key-file, with the key they were made with", ErrPseudonyms)
	}
	return fmt.Errorf("%w: these tables hold those of another key: give that one, or use another database", ErrPseudonyms)
}

// Pseudonymize says that what is inserted was decoded with this key. Nothing is
// inserted before CheckPseudonyms has said yes.
func (c *ClickHouse) Pseudonymize(key *PseudonymKey) { c.key = key }

// checkOnce is CheckPseudonyms, until it has said yes.
func (c *ClickHouse) checkOnce(ctx context.Context) error {
	if c.checked.Load() {
		return nil
	}
	err := c.CheckPseudonyms(ctx, c.key, true)
	c.checked.Store(err == nil)
	return err
}
