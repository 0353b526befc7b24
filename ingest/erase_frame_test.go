package ingest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// What is left of a frame keeps its IDs, also when somebody else is erased from
// it afterwards, and also where they are those of pseudonyms.
func TestErasedFrameKeepsIdentities(t *testing.T) {
	for name, key := range map[string]*PseudonymKey{"without a key": nil, "with a key": pseudonymKey(t, aKey)} {
		kept := 0
		for _, frame := range crowded(t) {
			if bytes.Contains(frame.Data, []byte("尾")) {
				continue // what it breaks off with is masked, and stays a row
			}
			want := idsWith(key, frame, &erasedPerson, &otherPerson)
			left := frame
			var err error
			for _, person := range []*Person{&erasedPerson, &otherPerson} {
				eraser := newFrameEraser(person)
				eraser.pseudonymize(key)
				if left, err = eraser.frame(left); err != nil {
					t.Fatal(err)
				}
				if left == nil {
					break
				}
			}
			if left == nil {
				continue
			}
			if got := idsWith(key, left); !slices.Equal(got, want) {
				t.Errorf("%s: %v of %v are left: %.200q", name, got, want, frame.Data)
			}
			kept += len(want)
		}
		if kept < 20 {
			t.Errorf("%s: only %d rows are left in all", name, kept)
		}
	}
}

// idsWith are the IDs that a key makes of a frame's rows, but for those about some
// people.
func idsWith(key *PseudonymKey, frame *kuaishou.Frame, but ...*Person) (ids []string) {
	keyed := NewDecoder(nil)
	keyed.Pseudonymize(key)
	var batch schema.Batch
	keyed.Decode(frame, 0, &batch)
	for rows := range decoded(frame).All() { // in which people are who they are
		for i := range rows.Len() {
			if !slices.ContainsFunc(but, func(p *Person) bool { return p.about(rows.Row(i)) }) {
				ids = append(ids, fmt.Sprint(rows.Name, batch.Of(rows.Table).Event(i).EventID))
			}
		}
	}
	return ids
}

// The places of those who are left in the list of viewers do not change.
func TestErasedViewerHoldsPlace(t *testing.T) {
	var list []byte
	for i := range 3 {
		user := &kuaishou.SimpleUserInfo{PrincipalId: otherPerson.IDs[0], UserName: "旁人"}
		if i == 1 {
			user = &kuaishou.SimpleUserInfo{PrincipalId: erasedPerson.IDs[0]}
		}
		list = append(list, nested(1, encoded(t, &kuaishou.WebWatchingUserInfo{User: user, DisplayKsCoin: fmt.Sprint(100 - i)}))...)
	}
	left, err := newFrameEraser(&erasedPerson).frame(sampleFrame(t, kuaishou.PayloadType_SC_LIVE_WATCHING_LIST, list))
	if err != nil {
		t.Fatal(err)
	}
	var batch schema.Batch
	NewDecoder(nil).Decode(left, 0, &batch)
	if len(batch.Viewers) != 2 || batch.Viewers[0].Position != 1 || batch.Viewers[1].Position != 3 {
		t.Errorf("left: %+v", batch.Viewers)
	}
}

// Numbers of which only a part is the person's are others'.
func TestMaskKeepsOtherNumbers(t *testing.T) {
	n := erasedPerson.Numbers[0]
	text := fmt.Appendf(nil, "%d 1%d %d0 (%d)", n, n, n, n)
	masker := masker{Person: &erasedPerson}
	masker.text(text)
	if want := fmt.Sprintf("0000000000 1%d %d0 (0000000000)", n, n); string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}
	number := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), n)
	masker.fields(number, nil, 0)
	if fields := (fieldReader{rest: number}); !fields.next() || fields.value != 0 || len(fields.rest) > 0 {
		t.Errorf("%x", number)
	}
}
