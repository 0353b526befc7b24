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
	e := explainer{pages: p, done: make(map[string]explained)}
	said := e.explain(reason, 0)
	return said.text, said.known
}

// mostParts is how deep sentences lie in sentences, at most.
const mostParts = 8

// explainer explains one reason. What strangers wrote in it may look like many
// sentences in each other: each part is looked at once.
type explainer struct {
	*pages
	done map[string]explained
}

type explained struct {
	text  string
	known bool
}

func (e explainer) explain(reason string, depth int) explained {
	if said, known := e.chinese[reason]; known {
		return explained{said, true}
	}
	said, done := e.done[reason]
	if done {
		return said
	}
	said = explained{reason, false}
	if depth < mostParts {
		e.done[reason] = said // until it is known better
		said = e.parts(reason, depth+1)
	}
	e.done[reason] = said
	return said
}

// parts explains a reason of several parts.
func (e explainer) parts(reason string, depth int) explained {
	for _, pattern := range e.patterns {
		found := pattern.form.FindStringSubmatch(reason)
		if found == nil {
			continue
		}
		args, known := make([]any, len(found)-1), make([]bool, len(found)-1)
		for i, part := range found[1:] {
			said := e.explain(part, depth)
			args[i], known[i] = said.text, said.known
		}
		// What begins with a place begins with something known, or is about a name.
		if !strings.HasPrefix(pattern.text, "%s") || known[0] || len(known) > 1 && known[1] && !strings.Contains(found[1], " ") {
			return explained{e.say(1, pattern.text, args...), true}
		}
	}
	// What was said first, and what came of the others, are in one line.
	for _, sep := range []string{"; ", ", "} {
		first, more, found := cutLast(reason, sep)
		if !found {
			continue
		}
		said, rest := e.explain(first, depth), e.explain(more, depth)
		if said.known && (rest.known || sep == "; ") {
			return explained{said.text + "；" + rest.text, true}
		}
	}
	return explained{reason, false}
}

// cutLast cuts a text at the last sep.
func cutLast(text, sep string) (before, after string, found bool) {
	at := strings.LastIndex(text, sep)
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+len(sep):], true
}
