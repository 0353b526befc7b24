package simulator

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	kuaishou "kslive/proto"
)

// newTestGenerator invents with a clock that ticks a millisecond a call.
func newTestGenerator(seed uint64, liveID string, broadcast uint64) *generator {
	began := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	s := &Simulator{options: Options{Seed: seed}, crowd: newCrowd(seed), ledger: newLedger(began)}
	now := began
	return newGenerator(s, liveID, broadcast, func() time.Time {
		now = now.Add(time.Millisecond)
		return now
	})
}

// invent returns the frames of n pushes at 20 feeds a second.
func invent(t testing.TB, g *generator, n int) []*frame {
	t.Helper()
	var all []*frame
	for range n {
		frames, _, err := g.next(time.Second, 20)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, frames...)
	}
	return all
}

func TestSeedDecides(t *testing.T) {
	t.Parallel()
	bytesOf := func(seed uint64, liveID string, broadcast uint64) []byte {
		var all []byte
		for _, f := range invent(t, newTestGenerator(seed, liveID, broadcast), 30) {
			all = append(all, f.data...)
		}
		return all
	}
	first := bytesOf(1, "3xa", 1)
	if !bytes.Equal(first, bytesOf(1, "3xa", 1)) {
		t.Error("the same seed, room and broadcast give other frames")
	}
	for name, other := range map[string][]byte{
		"seed": bytesOf(2, "3xa", 1), "room": bytesOf(1, "3xb", 1), "broadcast": bytesOf(1, "3xa", 2),
	} {
		if bytes.Equal(first, other) {
			t.Errorf("another %s gives the same frames", name)
		}
	}
}

func TestEveryPayloadTypeComesRound(t *testing.T) {
	t.Parallel()
	seen := map[kuaishou.PayloadType]bool{}
	for _, f := range invent(t, newTestGenerator(1, "3xa", 1), 2*len(stateMessages)) {
		seen[openMessage(t, f.data).PayloadType] = true
	}
	want := []int32{
		102, 105, 301, 302, 303, 305, 306, 310, 312, 330, 340, 355, 370, 371, 412, 441, 442, 510, 594, 645, 758, 776, 829, 944, 950, 964,
		1051, 4242,
	}
	for _, number := range want {
		if kind := kuaishou.PayloadType(number); !seen[kind] {
			t.Errorf("no %d %v", number, kind)
		}
	}
}

func TestCompressionMix(t *testing.T) {
	t.Parallel()
	frames := invent(t, newTestGenerator(3, "3xa", 1), 800)
	counts := map[kuaishou.SocketMessage_CompressionType]float64{}
	for _, f := range frames {
		message := unmarshal(t, f.data, &kuaishou.SocketMessage{})
		counts[message.CompressionType]++
	}
	want := map[kuaishou.SocketMessage_CompressionType]float64{0: 5, 1: 65, 2: 29, 3: 1}
	for kind, percent := range want {
		if got := 100 * counts[kind] / float64(len(frames)); math.Abs(got-percent) > 4 || got == 0 {
			t.Errorf("%.1f %% of frames are %v, want about %.0f %%", got, kind, percent)
		}
	}
}

func TestRateIsKept(t *testing.T) {
	t.Parallel()
	for rate, pushes := range map[float64]int{0.5: 200, 20: 100, 700: 20} {
		g := newTestGenerator(4, "3xa", 1)
		var feeds, seconds float64
		for range pushes {
			frames, interval, err := g.next(time.Second, rate)
			if err != nil {
				t.Fatal(err)
			}
			seconds += interval.Seconds()
			for _, f := range frames {
				feeds += float64(feedsIn(t, f))
			}
		}
		// Twins in the same frame make it a little more.
		if got := feeds / seconds; got < rate*0.97 || got > rate*1.08 {
			t.Errorf("%.2f feeds a second, want %.2f", got, rate)
		}
	}
}

// feedsIn counts the feed events in a frame: hidden twins are not.
func feedsIn(t testing.TB, f *frame) int {
	t.Helper()
	message := openMessage(t, f.data)
	switch message.PayloadType {
	case kuaishou.PayloadType_SC_COMMENT_ZONE_RICH_TEXT:
		return len(unmarshal(t, message.Payload, &kuaishou.SCCommentZoneRichText{}).Message)
	case kuaishou.PayloadType_SC_FEED_PUSH:
		push := unmarshal(t, message.Payload, &kuaishou.SCWebFeedPush{})
		return len(push.CommentFeeds) + len(push.GiftFeeds) + len(push.ShareFeeds) + len(push.SystemNoticeFeeds) +
			len(push.ComboCommentFeed)
	default:
		return 0
	}
}

func TestFeedsAreFaithful(t *testing.T) {
	t.Parallel()
	var last, liked uint64
	counts := map[string]uint32{} // comboCount by mergeKey
	var grown, cutText, equal, unknown int
	for _, f := range invent(t, newTestGenerator(5, "3xa", 1), 250) {
		message := openMessage(t, f.data)
		if message.Time <= last {
			t.Fatalf("time %d after %d", message.Time, last)
		}
		last = message.Time
		if message.PayloadType != kuaishou.PayloadType_SC_FEED_PUSH {
			continue
		}
		push := unmarshal(t, message.Payload, &kuaishou.SCWebFeedPush{})
		if push.DisplayWatchingCount == "" || countOf(t, push.DisplayLikeCount) < liked {
			t.Fatalf("counters %q %q", push.DisplayWatchingCount, push.DisplayLikeCount)
		}
		liked = countOf(t, push.DisplayLikeCount)
		unknown += len(push.ProtoReflect().GetUnknown())
		said := map[string]bool{}
		hidden := map[string]bool{}
		for _, feed := range push.CommentFeeds {
			if feed.Id != "" || feed.Time != 0 || feed.SortRank != 0 {
				t.Fatalf("comment with id, time or sortRank: %v", feed)
			}
			if !utf8.ValidString(feed.Content) {
				cutText++
			}
			key := feed.User.PrincipalId + feed.Content
			if said[key] {
				equal++
			}
			said[key] = true
			if feed.ShowType == kuaishou.WebCommentFeed_FEED_HIDDEN {
				hidden[feed.User.PrincipalId] = true
			}
		}
		for _, feed := range push.LikeFeeds {
			if !hidden[feed.User.PrincipalId] {
				t.Fatalf("like of %s without its hidden comment", feed.User.PrincipalId)
			}
		}
		for _, feed := range push.GiftFeeds {
			if feed.ComboCount <= counts[feed.MergeKey] {
				t.Fatalf("combo %s from %d to %d", feed.MergeKey, counts[feed.MergeKey], feed.ComboCount)
			}
			if counts[feed.MergeKey] > 0 {
				grown++
			}
			counts[feed.MergeKey] = feed.ComboCount
		}
	}
	if grown == 0 || cutText == 0 || equal == 0 || unknown == 0 {
		t.Errorf("%d grown combos, %d cut texts, %d equal comments, %d bytes of unknown fields: want some of each",
			grown, cutText, equal, unknown)
	}
}

// countOf is the number that a counter's text stands for.
func countOf(t testing.TB, text string) uint64 {
	t.Helper()
	digits, ten4 := strings.CutSuffix(text, "万")
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		t.Fatal(err)
	}
	if ten4 {
		n *= 10_000
	}
	return uint64(math.Round(n))
}

func TestDisplayCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]string{
		0: "0", 2735: "2735", 9999: "9999", 12_345: "1.2万", 260_000: "26万", 985_000: "98.5万", 110_000_000: "1.1亿", 300_000_000: "3亿",
	} {
		if got := displayCount(n); got != want {
			t.Errorf("displayCount(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[uint64]uint64{2735: 2735, 12_345: 12_000, 119_999_999: 110_000_000} {
		if got := displayed(n); got != want {
			t.Errorf("displayed(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestLiveID(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for i := range 1000 {
		id := LiveID(7, i)
		if len(id) != 15 || !strings.HasPrefix(id, "3x") || strings.Trim(id, lowerDigits) != "" || seen[id] {
			t.Fatalf("LiveID(7, %d) = %q", i, id)
		}
		seen[id] = true
	}
	if LiveID(7, 0) == LiveID(8, 0) || !seen[LiveID(7, 0)] {
		t.Error("the seed does not decide")
	}
}

func BenchmarkGenerate(b *testing.B) {
	g := newTestGenerator(1, "3xa", 1)
	rows, octets := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		for _, f := range invent(b, g, 1) {
			rows += len(f.entries)
			octets += len(f.data)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
	b.ReportMetric(float64(octets)/float64(rows), "B/row")
}
