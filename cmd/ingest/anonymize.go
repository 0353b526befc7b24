package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"kslive/ingest"
	kuaishou "kslive/proto"
)

type anonymizeCommand struct {
	Out  string `short:"o" help:"File to write the recording to; it must not exist. Default: standard output." type:"path" placeholder:"FILE"`
	Seed uint64 `env:"-" help:"Make the same of the same file, for tests: whoever knows the seed can look for names. 0: a new secret key each time." placeholder:"N"`
	File string `arg:"" optional:"" default:"-" help:"A recording of watch --raw-to, or another file that decode takes. Default, or -: standard input."`
}

// Help is printed below the usage.
func (anonymizeCommand) Help() string {
	return `Writes a recording of the same frames with nobody in it: names, IDs, device hashes, pictures, live stream IDs and what people
wrote become others of the same length; what is equal stays equal; and it decodes to as many rows. Kept are times, counters,
prices, gifts, grades and the player's emoji. What is not known is replaced, or emptied. Look at what comes out before you publish it:

    ingest anonymize room.frames -o report.frames && ingest decode report.frames | less`
}

// Run anonymizes a file.
func (c *anonymizeCommand) Run(p *process) (err error) {
	to, finish, err := c.output(p.stdout)
	if err != nil {
		return err
	}
	defer func() { err = finish(err) }()
	buffer := bufio.NewWriterSize(to, 64<<10)
	recorder, err := ingest.NewRecorder(buffer)
	if err != nil {
		return err
	}
	anonymizer := ingest.NewAnonymizer(c.Seed)
	file := p.frameFile(c.File, "", "")
	for frame, err := range file.frames() {
		if errors.Is(err, ingest.ErrRecordingCut) {
			p.logger.Warn(err.Error())
			break
		}
		if err != nil {
			return err
		}
		anonymous, err := anonymizer.Frame(frame)
		if err != nil {
			return fmt.Errorf("anonymizing %s: %w", c.File, err)
		}
		if anonymous == nil {
			continue
		}
		if err := recorder.Append(anonymous); err != nil {
			return err
		}
	}
	if err := buffer.Flush(); err != nil {
		return fmt.Errorf("writing the recording: %w", err)
	}
	return tellAnonymized(p.stderr, anonymizer.Done())
}

// output is where the recording goes. finish closes it, and removes what was
// written when there was an error.
func (c *anonymizeCommand) output(stdout io.Writer) (to io.Writer, finish func(error) error, err error) {
	if c.Out == "" {
		if isTerminal(stdout) {
			return nil, nil, exitError{exitUsage, "a recording is no text: give -o FILE, or send standard output to a file"}
		}
		return stdout, func(err error) error { return err }, nil
	}
	file, err := createNew(c.Out)
	if err != nil {
		return nil, nil, err
	}
	return file, func(err error) error {
		err = errors.Join(err, file.Close())
		if err != nil {
			err = errors.Join(err, os.Remove(c.Out))
		}
		return err
	}, nil
}

// createNew makes a file for what is personal, and replaces none.
func createNew(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, exitError{exitFailed, fmt.Sprintf("%s is there already: name another file, or remove it", name)}
	}
	return file, err
}

// tellAnonymized says what was replaced and what was lost.
func tellAnonymized(w io.Writer, done ingest.Anonymized) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d frames\n", done.Frames)
	fmt.Fprintf(&b, "replaced: %d texts and %d numbers that are known, %d texts and %d numbers in what is not\n",
		done.Texts, done.Numbers, done.UnknownTexts, done.UnknownNumbers)
	fmt.Fprintf(&b, "emptied: %d frames or payloads that cannot be opened, %d parts that are not known; %d bytes together\n",
		done.Emptied, done.UnknownEmptied, done.EmptiedBytes)
	if done.Dropped > 0 {
		fmt.Fprintf(&b, "dropped: %d records about the connection\n", done.Dropped)
	}
	for i, kind := range slices.Sorted(maps.Keys(done.Unknown)) {
		if i == 20 {
			fmt.Fprintf(&b, "payload types not known: %d more\n", len(done.Unknown)-i)
			break
		}
		name := kuaishou.PayloadType_name[int32(kind)]
		fmt.Fprintf(&b, "payload type not known: %d %s, %d times\n", kind, name, done.Unknown[kind])
	}
	b.WriteString("kept: times, counters, prices, gifts, grades, codes, emoji\n")
	_, err := io.WriteString(w, b.String())
	return err
}
