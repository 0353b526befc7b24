package ingest

import (
	"bytes"
	"errors"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// twoFrames is a recording of two frames, and where its first ends.
func twoFrames(t *testing.T) (recording []byte, first int) {
	t.Helper()
	var out bytes.Buffer
	recorder, err := NewRecorder(&out)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		first = out.Len()
		if err := recorder.Append(frameOf([]byte("a websocket message"))); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes(), first
}

// A recording that is cut anywhere gives its whole frames, and says that it is
// cut unless it ends between two.
func TestRecordingCut(t *testing.T) {
	recording, first := twoFrames(t)
	for end := len(RecordingMagic); end <= len(recording); end++ {
		want := 0
		if end >= first {
			want++
		}
		if end == len(recording) {
			want++
		}
		got := 0
		var failed error
		for frame, err := range ReadRecording(bytes.NewReader(recording[:end])) {
			if failed = err; err == nil {
				got++
				if !proto.Equal(frame, frameOf([]byte("a websocket message"))) {
					t.Errorf("read %v", frame)
				}
			}
		}
		whole := end == len(RecordingMagic) || end == first || end == len(recording)
		if got != want || errors.Is(failed, ErrRecordingCut) == whole || whole && failed != nil {
			t.Errorf("cut at %d: %d frames, want %d; %v", end, got, want, failed)
		}
	}
}

func TestRecordingDamaged(t *testing.T) {
	recording, first := twoFrames(t)
	for name, damaged := range map[string][]byte{
		"no recording":        []byte("kslive frames 2\n"),
		"nothing":             nil,
		"no frame":            append(bytes.Clone(recording[:first]), 2, 0x07, 0x07),
		"longer than any":     append(bytes.Clone(recording[:first]), 0xff, 0xff, 0xff, 0xff, 0x7f),
		"length of 11 bytes":  append(bytes.Clone(recording[:first]), bytes.Repeat([]byte{0xff}, 11)...),
		"only half the magic": recording[:5],
	} {
		var failed error
		for _, err := range ReadRecording(bytes.NewReader(damaged)) {
			failed = err
		}
		if failed == nil || errors.Is(failed, ErrRecordingCut) || strings.Contains(failed.Error(), "\n") {
			t.Errorf("%s: %v", name, failed)
		}
	}
}

// fullDisk takes so many bytes.
type fullDisk struct{ left int }

func (d *fullDisk) Write(b []byte) (int, error) {
	if len(b) > d.left {
		return 0, syscall.ENOSPC
	}
	d.left -= len(b)
	return len(b), nil
}

// A disk that is full ends Follow with its error, before the frame is shown.
func TestFollowEndsWhenTheDiskIsFull(t *testing.T) {
	if _, err := NewRecorder(&fullDisk{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a recording was begun on a full disk: %v", err)
	}
	recorder, err := NewRecorder(&fullDisk{left: 100})
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	frames := &shownFrames{recorder: recorder, decoder: NewDecoder(nil), show: func(*schema.Batch) error {
		shown++
		return nil
	}}
	for err == nil {
		err = frames.Append(sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, nil))
	}
	if !errors.Is(frames.err, syscall.ENOSPC) || uint64(shown) != recorder.Frames() {
		t.Errorf("ended with %v after %d frames shown and %d recorded", frames.err, shown, recorder.Frames())
	}
}

// A recording has neither the token nor the cookies in it, in any compression.
func TestRecordingHasNoSecrets(t *testing.T) {
	recording, frames, secrets := recordRoom(t)
	for _, secret := range secrets {
		if len(secret) < 8 || bytes.Contains(recording, []byte(secret)) {
			t.Errorf("%q is in the recording", secret)
		}
		for i, frame := range frames {
			if bytes.Contains(opened(frame), []byte(secret)) {
				t.Errorf("%q is in frame %d", secret, i)
			}
		}
	}
}

// No bytes make it panic, read for ever or say nothing of what is wrong.
func FuzzReadRecording(f *testing.F) {
	var out bytes.Buffer
	recorder, err := NewRecorder(&out)
	if err != nil {
		f.Fatal(err)
	}
	if err := recorder.Append(frameOf([]byte("a websocket message"))); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Add(out.Bytes()[:len(RecordingMagic)+3])
	f.Fuzz(func(t *testing.T, data []byte) {
		frames := 0
		for _, err := range ReadRecording(bytes.NewReader(data)) {
			if err != nil {
				return
			}
			frames++
		}
		// Each is its length, at least. Encoded again it can be longer: an enum that
		// did not fit into 32 bits is cut, and takes ten bytes when it is negative.
		if frames > len(data)-len(RecordingMagic) {
			t.Errorf("%d frames were read of %d bytes", frames, len(data))
		}
	})
}
