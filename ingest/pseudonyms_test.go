package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// pseudonymKey makes a key, in a file of its own.
func pseudonymKey(t testing.TB, text string) *PseudonymKey {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ReadPseudonymKey(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

const (
	aKey       = "0123456789abcdef0123456789abcdef"
	anotherKey = "fedcba9876543210fedcba9876543210"
)

// pseudonymRows are the rows of frames, as JSON by table.
func pseudonymRows(t testing.TB, key *PseudonymKey, frames []*kuaishou.Frame) (batch schema.Batch, text string) {
	t.Helper()
	decoder := NewDecoder(nil)
	decoder.Pseudonymize(key)
	for _, frame := range frames {
		decoder.Decode(frame, 0, &batch)
	}
	var b strings.Builder
	for rows := range batch.All() {
		for i := range rows.Len() {
			row, err := json.Marshal(rows.Row(i))
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(row, '\n'))
		}
	}
	for _, row := range batch.Undecoded {
		b.Write(row.Payload)
	}
	return batch, b.String()
}

// No row tells of anybody, and there are as many rows, of the same times and
// prices; what two workers with one key make is the same, and with another key
// it is not.
func TestPseudonyms(t *testing.T) {
	frames := slices.DeleteFunc(crowded(t), func(f *kuaishou.Frame) bool {
		return bytes.Contains(f.Data, []byte(" 吗")) || bytes.Contains(f.Data, []byte("另一个数")) // an ID in what somebody says stays
	})
	var before []string
	for _, frame := range frames {
		before = append(before, frame.String())
	}
	clear, _ := pseudonymRows(t, nil, frames)
	batch, text := pseudonymRows(t, pseudonymKey(t, aKey), frames)
	for _, person := range []Person{erasedPerson, otherPerson} {
		for _, tell := range slices.Concat(person.IDs, person.decimals(), person.inTexts(), person.folded()) {
			if at := strings.Index(text, tell); at >= 0 {
				t.Errorf("%s is in %.300s", tell, text[max(0, at-150):])
			}
		}
	}
	for i, frame := range frames {
		if frame.String() != before[i] {
			t.Fatal("a frame was changed")
		}
	}
	for _, table := range schema.Tables {
		if a, b := clear.Of(table).Len(), batch.Of(table).Len(); a != b {
			t.Errorf("%s: %d rows, %d without pseudonyms", table.Name, b, a)
		}
	}
	if _, again := pseudonymRows(t, pseudonymKey(t, aKey), frames); again != text {
		t.Error("the same key makes other rows")
	}
	if _, other := pseudonymRows(t, pseudonymKey(t, anotherKey), frames); other == text {
		t.Error("another key makes the same rows")
	}
	for i, gift := range batch.Gifts {
		was := clear.Gifts[i]
		if gift.EventTime != was.EventTime || gift.UnitPrice != was.UnitPrice || gift.ComboCount != was.ComboCount || gift.SortRank != was.SortRank || gift.EventID == was.EventID {
			t.Errorf("%+v, was %+v", gift, was)
		}
		if !strings.HasPrefix(gift.MergeKey, fmt.Sprint(gift.OriginUserID, "-")) || !strings.HasSuffix(gift.MergeKey, "-9-1") {
			t.Errorf("the combo %s is not of %d", gift.MergeKey, gift.OriginUserID)
		}
	}
}

// What somebody says stays, but for names: theirs, and after an @.
func TestPseudonymsInWhatIsSaid(t *testing.T) {
	key := pseudonymKey(t, aKey)
	d := newDisguise(key.secret)
	renamed := func(name string) string { other := []byte(name); d.text(other); return string(other) }
	user := &kuaishou.SimpleUserInfo{PrincipalId: "3xabcdefgh23456", UserName: "海兰辰河"}
	feed := &kuaishou.SCWebFeedPush{CommentFeeds: []*kuaishou.WebCommentFeed{
		{User: user, Content: "海兰辰河赞了这个直播"}, {User: user, Content: "@小明 你好 ＠Tom"}, {User: user, Content: "主播好[笑哭] 666"},
	}}
	batch, _ := pseudonymRows(t, key, []*kuaishou.Frame{sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, encoded(t, feed))})
	var got []string
	for _, comment := range batch.Comments {
		got = append(got, comment.Content)
	}
	want := []string{renamed("海兰辰河") + "赞了这个直播", "@" + renamed("小明") + " 你好 ＠" + renamed("Tom"), "主播好[笑哭] 666"}
	if diff := cmp.Diff(want, got); diff != "" || batch.Comments[0].UserName != renamed("海兰辰河") {
		t.Errorf("%s; the user is %s", diff, batch.Comments[0].UserName)
	}
}

// Tables are filled with one key, or with none: a worker or a replay with
// another inserts nothing.
func TestTablesHaveOneKey(t *testing.T) {
	w := openWarehouse(t)
	key := pseudonymKey(t, aKey)
	if err := w.CheckPseudonyms(t.Context(), nil, true); err != nil {
		t.Fatal(err)
	}
	if err := w.CheckPseudonyms(t.Context(), key, false); !errors.Is(err, ErrPseudonyms) {
		t.Errorf("tables without pseudonyms: %v", err)
	}
	w.Pseudonymize(key)
	s := spoolOf(t, t.TempDir(), crowded(t))
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	loader := NewLoader(s, w, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	loader.Pseudonymize(key)
	if err := loader.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := countOf(t, w, fmt.Sprintf("SELECT count() FROM comments WHERE user_id = '%s'", key.Person(&erasedPerson).IDs[0])); n == 0 {
		t.Error("nobody is found under the pseudonym")
	}
	for name, other := range map[string]*PseudonymKey{"none": nil, "another": pseudonymKey(t, anotherKey)} {
		if err := w.CheckPseudonyms(t.Context(), other, true); !errors.Is(err, ErrPseudonyms) || strings.Contains(err.Error(), anotherKey) {
			t.Errorf("%s: %v", name, err)
		}
		w.Pseudonymize(other)
		w.checked.Store(false)
		batch := schema.Batch{Likes: make([]schema.Like, 1)}
		for rows := range batch.All() {
			if err := w.Insert(t.Context(), "t", rows); !errors.Is(err, ErrPseudonyms) {
				t.Errorf("%s: inserting: %v", name, err)
			}
		}
	}
}

func TestPseudonymKeyFile(t *testing.T) {
	short := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(short, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{short, short + "none"} {
		if _, err := ReadPseudonymKey(path, slog.New(slog.DiscardHandler)); err == nil || containsSecret(err, "secret") {
			t.Errorf("%v", err)
		}
	}
	key := pseudonymKey(t, aKey)
	if printed := fmt.Sprintf("%v %+v %#v %s", key, key, key, key); strings.Contains(printed, aKey) || strings.Contains(printed, "48, 49") {
		t.Errorf("printed: %s", printed)
	}
}

func BenchmarkDecodePseudonyms(b *testing.B) {
	frames := crowded(b)
	for name, key := range map[string]*PseudonymKey{"without": nil, "with": pseudonymKey(b, aKey)} {
		b.Run(name, func(b *testing.B) {
			decoder := NewDecoder(nil)
			decoder.Pseudonymize(key)
			var batch schema.Batch
			rows := 0
			for b.Loop() {
				rows = 0
				for _, frame := range frames {
					batch.Reset()
					decoder.Decode(frame, 0, &batch)
					rows += batch.Len()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
		})
	}
}
