package ingest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
)

// capture reads a captured websocket message.
func capture(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func captures(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/captures/*.hex")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no captures: %v", err)
	}
	return files
}

// Real frames decode to the JSON that was published with them. The tool that
// made it knew a little less than our .proto, so what it marked is renamed here:
// "time*" is the envelope's undeclared field 4, "?5" a like's sender_state.
func TestCaptures(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			message, err := openEnvelope(capture(t, file))
			if err != nil {
				t.Fatal(err)
			}
			kind, ok := messageOf()[message.PayloadType]
			if !ok {
				t.Fatalf("no message for %v", message.PayloadType)
			}
			payload := kind.New()
			if err := proto.Unmarshal(message.Payload, payload.Interface()); err != nil {
				t.Fatal(err)
			}
			message.Payload = nil
			got := object(t, appendMessageJSON(nil, message.ProtoReflect()))
			got["payload"] = object(t, appendMessageJSON(nil, payload))

			published, err := os.ReadFile(strings.TrimSuffix(file, ".hex") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			published = bytes.Replace(published, []byte(`"time*"`), []byte(`"time"`), 1)
			published = bytes.ReplaceAll(published, []byte(`"?5": ""`), []byte(`"senderState": {}`))
			if diff := cmp.Diff(object(t, published), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// object parses a JSON object and keeps its numbers as they are written.
func object(t testing.TB, data []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return object
}
