package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	kuaishou "kslive/proto"
)

// peersDir has what other languages and engines run, in the root of the checkout.
const peersDir = "internal/bench/peers"

// peer is something else that makes rows of the same frames.
type peer struct {
	what   string
	needs  []string // a command that succeeds where the machine has the peer
	decode func(context.Context, peerFiles) (decoded, error)
}

// decoded is what a peer made of the frames.
type decoded struct {
	Events int     `json:"events"`
	CPU    float64 `json:"cpu"`  // seconds, of decoding alone
	With   string  `json:"with"` // its versions
}

// peerFiles are what peers read: the frames, a line each in base64; no frames; the
// types as a FileDescriptorSet; and a folder with them in the language of protobuf.
type peerFiles struct{ frames, none, types, proto string }

var peers = []peer{
	{"Python, google.protobuf", []string{"python3", "-c", "import google.protobuf"}, func(ctx context.Context, f peerFiles) (decoded, error) {
		return script(ctx, "python3", "decode.py", f.frames, f.types)
	}},
	{"Node, protobufjs", []string{"node", "-e", `require("protobufjs")`}, func(ctx context.Context, f peerFiles) (decoded, error) {
		return script(ctx, "node", "decode.mjs", f.frames, f.proto)
	}},
	{"Benthos", []string{"benthos", "--version"}, benthos},
}

// peerFrames are as many as peers decode, in the long form too: hundreds of
// milliseconds are enough of what costs more.
const peerFrames = shortForm

// runPeers measures the peers that the machine has, in turn with our decoder.
func runPeers(ctx context.Context, b *bench, ours *rowDecoder, frames []*kuaishou.Frame) error {
	const rounds = 5
	frames = frames[:peerFrames]
	events, err := ours.decode(frames)
	if err != nil {
		return err
	}
	here := b.peersHere(ctx)
	if len(here) == 0 {
		return nil
	}
	files, err := b.writePeerFiles(frames)
	if err != nil {
		return err
	}
	ways := []way{self(func() error { _, err := ours.decode(frames); return err })}
	with := make([]string, len(here))
	for i, p := range here {
		ways = append(ways, func() (usage, error) {
			made, err := p.decode(ctx, files)
			if err == nil && made.Events != events {
				err = fmt.Errorf("made %d events of the frames, not %d", made.Events, events)
			}
			if err != nil {
				return usage{}, fmt.Errorf("%s: %w", p.what, err)
			}
			with[i] = made.With
			return usage{cpu: time.Duration(made.CPU * float64(time.Second))}, nil
		})
	}
	took, err := sideBySide(ctx, rounds, ways...)
	if err != nil {
		return err
	}
	for i, p := range here {
		cpu := took[i+1].cpu
		b.report(result{
			What: p.what + ", CPU", Value: float64(cpu.Nanoseconds()) / float64(events), Unit: "ns/event",
			Against: "Decode to rows", Ratio: float64(cpu) / float64(took[0].cpu), Note: with[i],
		})
	}
	return nil
}

// peersHere are those that the machine has.
func (b *bench) peersHere(ctx context.Context) (here []peer) {
	for _, p := range peers {
		if err := exec.CommandContext(ctx, p.needs[0], p.needs[1:]...).Run(); err != nil {
			b.log.Warn("a peer or its library is not on this machine; "+peersDir+" says how to get it", "peer", p.what, "error", err)
			continue
		}
		here = append(here, p)
	}
	return here
}

// script runs a script that measures itself and prints what it made as JSON.
func script(ctx context.Context, interpreter, name string, args ...string) (made decoded, err error) {
	out, _, err := output(exec.CommandContext(ctx, interpreter, append([]string{filepath.Join(peersDir, name)}, args...)...))
	if err != nil {
		return made, err
	}
	if err := json.Unmarshal(out, &made); err != nil {
		return made, fmt.Errorf("reading its answer: %w", err)
	}
	return made, nil
}

var (
	benthosSent    = regexp.MustCompile(`name=output_sent value=(\d+)`)
	benthosVersion = regexp.MustCompile(`benthos_version=(\S+)`)
)

// benthos takes off what its start costs, which a run without frames tells.
func benthos(ctx context.Context, f peerFiles) (made decoded, err error) {
	run := func(frames string, more ...string) ([]byte, time.Duration, error) {
		cmd := exec.CommandContext(ctx, "benthos", append([]string{"-c", filepath.Join(peersDir, "benthos.yaml")}, more...)...)
		cmd.Env = append(os.Environ(), "FRAMES="+frames, "PROTO="+f.proto)
		return output(cmd)
	}
	// It counts in a run of its own, since counting costs.
	counted, _, err := run(f.frames, "--set", "metrics.logger.flush_metrics=false")
	if err != nil {
		return made, err
	}
	sent, version := benthosSent.FindSubmatch(counted), benthosVersion.FindSubmatch(counted)
	if sent == nil || version == nil {
		return made, fmt.Errorf("it did not tell how many rows it made: %s", counted)
	}
	if made.Events, err = strconv.Atoi(string(sent[1])); err != nil {
		return made, fmt.Errorf("reading how many rows it made: %w", err)
	}
	_, start, err := run(f.none)
	if err != nil {
		return made, err
	}
	_, all, err := run(f.frames)
	if err != nil {
		return made, err
	}
	made.CPU = (all - start).Seconds()
	made.With = fmt.Sprintf("Benthos %s, with reading the file, without %d ms of its start", version[1], start.Milliseconds())
	return made, nil
}

// output runs a command to its end, and answers what it wrote and the CPU time that
// it used.
func output(cmd *exec.Cmd) ([]byte, time.Duration, error) {
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(complaints.Bytes()))
	}
	if err != nil {
		return nil, 0, err
	}
	return out.Bytes(), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// writePeerFiles writes what peers read into the benchmark's folder.
func (b *bench) writePeerFiles(frames []*kuaishou.Frame) (peerFiles, error) {
	f := peerFiles{frames: filepath.Join(b.dir, "frames"), none: filepath.Join(b.dir, "none"), types: filepath.Join(b.dir, "types"), proto: b.dir}
	types, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: older(kuaishou.File_proto_kuaishou_proto)})
	if err != nil {
		return f, fmt.Errorf("writing the types: %w", err)
	}
	return f, errors.Join(writeLines(f.frames, frames), writeLines(f.none, nil), os.WriteFile(f.types, types, 0o644), writeProto(f.proto))
}

// older answers a file and those that it needs, the needed first, in proto3: not
// every peer knows editions, and proto3 differs for them in nothing but that text is
// validated.
func older(file protoreflect.FileDescriptor) (files []*descriptorpb.FileDescriptorProto) {
	for i := range file.Imports().Len() {
		files = append(files, older(file.Imports().Get(i))...)
	}
	plain := protodesc.ToFileDescriptorProto(file)
	plain.Syntax, plain.Edition, plain.Options = proto.String("proto3"), nil, nil
	return append(files, plain)
}

var newer = regexp.MustCompile(`(?m)^option features\..*\n`)

// writeProto does the same with the files of the checkout.
func writeProto(dir string) error {
	if err := os.Mkdir(filepath.Join(dir, "proto"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"proto/kuaishou.proto", "proto/payload_type.proto"} {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		text = bytes.Replace(newer.ReplaceAll(text, nil), []byte(`edition = "2023";`), []byte(`syntax = "proto3";`), 1)
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
