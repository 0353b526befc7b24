package ingest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a history holds that is no comment in base64 is neither lost nor becomes a
// comment of nobody.
func TestRecallKeepsWhatIsNoComment(t *testing.T) {
	body := `{"data":{"result":1,"backTraceFeedMap":{"1":{"historyFeedList":["CgFhGgJoaQ==",{"content":"<好>","time":1785688422601},"%",null,"",[],true,12]}}}}`
	var history History
	history.read([]byte(body), make(map[string]int64))
	var texts, kept []string
	for _, envelope := range history.Envelopes {
		batch := decoded(frameOf(envelope))
		for _, comment := range batch.Comments {
			texts = append(texts, comment.Content)
		}
		for _, row := range batch.Undecoded {
			kept = append(kept, string(row.Payload))
		}
	}
	if diff := cmp.Diff([]string{"hi"}, texts); diff != "" {
		t.Errorf("comments (-want +got)\n%s", diff)
	}
	want := []string{`{"content":"<好>","time":1785688422601}`, "%", "null", `""`, "[]", "true", "12"}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Errorf("undecoded (-want +got)\n%s", diff)
	}
}
