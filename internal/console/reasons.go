package console

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"kslive/ingest"
)

// pattern is an English sentence of workers and Postgres with places in it, as
// zh.json has it.
type pattern struct {
	text string
	form *regexp.Regexp
}

// findPatterns makes patterns of the texts that have places, those that say most
// first.
func findPatterns(texts map[string]string) (found []pattern) {
	for _, text := range slices.SortedFunc(maps.Keys(texts), func(a, b string) int {
		return cmp.Or(cmp.Compare(words(b), words(a)), cmp.Compare(a, b))
	}) {
		if strings.Contains(text, "%s") && !strings.Contains(text, "%d") {
			form := strings.ReplaceAll(regexp.QuoteMeta(text), "%s", "(.+?)")
			found = append(found, pattern{text, regexp.MustCompile("(?s)^" + form + "$")})
		}
	}
	return found
}

// words is how much of a text is not places.
func words(text string) int { return len(strings.ReplaceAll(text, "%s", "")) }

// why is the reason of a state, as a worker or Postgres told it. What has no
// Chinese, such as an error of the network's, stands behind the state's own.
func (p *pages) why(tongue int, state, reason string) string {
	sentence := ingest.State(state).Sentence()
	if tongue == 0 || reason == "" {
		return reason
	}
	said, known := p.explain(reason)
	if state := p.chinese[sentence]; !known && state != "" {
		said = state + "：" + reason
	}
	return said
}

// explain is a reason in Chinese, part by part; false when it begins with
// something unknown.
func (p *pages) explain(reason string) (string, bool) {
	if said, known := p.chinese[reason]; known {
		return said, true
	}
	for _, known := range p.patterns {
		parts := known.form.FindStringSubmatch(reason)
		if parts == nil {
			continue
		}
		args := make([]any, len(parts)-1)
		understood := make([]bool, len(args))
		for i, part := range parts[1:] {
			args[i], understood[i] = p.explain(part)
		}
		// What begins with a place begins with something known, or is about a name.
		if !strings.HasPrefix(known.text, "%s") || understood[0] || understood[1] && !strings.Contains(parts[1], " ") {
			return p.say(1, known.text, args...), true
		}
	}
	// What was said first, and what came of the others, are in one line.
	for _, sep := range []string{"; ", ", "} {
		if first, more, found := cutLast(reason, sep); found {
			said, known := p.explain(first)
			rest, also := p.explain(more)
			if known && (also || sep == "; ") {
				return said + "；" + rest, true
			}
		}
	}
	return reason, false
}

// cutLast cuts a text at the last sep.
func cutLast(text, sep string) (before, after string, found bool) {
	at := strings.LastIndex(text, sep)
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+len(sep):], true
}
