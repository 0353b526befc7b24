package ingest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"kslive/schema"
)

// Person is somebody who is to be erased, by all that tells of them.
type Person struct {
	IDs     []string // principalIds
	Numbers []uint64 // numeric IDs
	// Names under which they were seen, at least minName characters long: a shorter
	// one is in too much that is about nobody.
	Names []string
	// Skip are names that are not looked for, since they are also words.
	Skip []string
}

const (
	minName = 2 // characters
	// Shorter ones are found by accident in bytes that are no text.
	minRaw    = 4 // bytes
	minDigits = 6 // of a decimal number
)

// addNames adds names that are not known yet, and answers whether there were any.
func (p *Person) addNames(names ...string) (added bool) {
	for _, name := range names {
		if utf8.RuneCountInString(name) >= minName && !slices.Contains(p.Names, name) && !slices.Contains(p.Skip, name) {
			p.Names = append(p.Names, name)
			added = true
		}
	}
	return added
}

// decimals are the numeric IDs as text.
func (p *Person) decimals() []string {
	texts := make([]string, 0, len(p.Numbers))
	for _, n := range p.Numbers {
		texts = append(texts, strconv.FormatUint(n, 10))
	}
	return texts
}

// userIDs are what the column user_id can hold of them: where only the numeric
// ID was sent, that.
func (p *Person) userIDs() []string { return append(p.decimals(), p.IDs...) }

// raw is what tells of them in bytes that are no text.
func (p *Person) raw() [][]byte {
	var all [][]byte
	for _, text := range slices.Concat(p.IDs, p.Names) {
		if len(text) >= minRaw {
			all = append(all, []byte(text))
		}
	}
	for i, text := range p.decimals() {
		if len(text) >= minDigits {
			all = append(all, []byte(text), protowire.AppendVarint(nil, p.Numbers[i]))
		}
	}
	return all
}

// folded are the texts of which one is in the base64 of whatever bytes hold
// something of raw: what stands before it decides among three, and the
// characters that depend on its neighbours are left out.
func (p *Person) folded() []string {
	var all []string
	for _, raw := range p.raw() {
		for before := range 3 {
			text := base64.StdEncoding.EncodeToString(append(make([]byte, before), raw...))
			from, to := (before*8+5)/6, (before+len(raw))*8/6
			all = append(all, text[from:to])
		}
	}
	return all
}

// inTexts are the forms in which names stand in columns: as they are, and as in
// JSON where that differs.
func (p *Person) inTexts() []string {
	names := slices.Clone(p.Names)
	for _, name := range p.Names {
		if escaped := inJSON(name); escaped != name {
			names = append(names, escaped)
		}
	}
	return names
}

// inJSON is a text as it stands in JSON; what is written there in digits stays as
// it is.
func inJSON(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil || bytes.Contains(quoted, []byte(`\u`)) {
		return text
	}
	return string(quoted[1 : len(quoted)-1])
}

// isIn says whether bytes may hold something of the person: it is true too often
// rather than too seldom.
func (p *Person) isIn(data []byte) bool {
	return slices.ContainsFunc(slices.Concat(p.IDs, p.decimals(), p.Names), func(text string) bool { return bytes.Contains(data, []byte(text)) }) ||
		slices.ContainsFunc(p.Numbers, func(n uint64) bool { return bytes.Contains(data, protowire.AppendVarint(nil, n)) })
}

// numberPattern is the regular expression, RE2's, of a numeric ID in a text: no other
// digit is beside it.
func numberPattern(decimal string) string { return `(^|[^0-9])` + decimal + `([^0-9]|$)` }

// named says whether a text, perhaps JSON with base64 in it, has an ID of theirs.
func (p *Person) named(text string) bool {
	if slices.ContainsFunc(slices.Concat(p.IDs, p.folded()), func(id string) bool { return strings.Contains(text, id) }) {
		return true
	}
	return slices.ContainsFunc(p.decimals(), func(n string) bool {
		return strings.Contains(text, n) && regexp.MustCompile(numberPattern(n)).MatchString(text)
	})
}

// inRaw says whether bytes that are no text tell of the person.
func (p *Person) inRaw(data []byte) bool {
	return slices.ContainsFunc(p.raw(), func(raw []byte) bool { return bytes.Contains(data, raw) })
}

// about says whether a row is about the person, and is to be deleted. ClickHouse
// answers the same to aboutSQL.
func (p *Person) about(row any) bool {
	switch row := row.(type) {
	case *schema.Ranking:
		return slices.Contains(p.Names, row.DisplayUserName) || p.named(row.NoticeText) || p.named(row.FeedID) || p.named(row.OtherFields)
	case *schema.RoomEvent:
		return p.named(row.Message)
	case *schema.Undecoded:
		return p.inRaw(row.Payload)
	case *schema.Gift:
		if slices.ContainsFunc(p.decimals(), func(n string) bool { return strings.HasPrefix(row.MergeKey, n+"-") }) {
			return true
		}
	}
	of, ok := row.(interface{ Who() *schema.User })
	if !ok {
		return false
	}
	user := of.Who()
	return slices.Contains(p.userIDs(), user.UserID) || user.OriginUserID != 0 && slices.Contains(p.Numbers, user.OriginUserID)
}
