package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"golang.org/x/text/language"
)

//go:embed templates static zh.json
var files embed.FS

const languageCookie = "ingest_language"

// pages are the templates in each language, and what pages load.
type pages struct {
	languages language.Matcher
	chinese   map[string]string                // by the English text
	patterns  []pattern                        // of those that have places
	byName    [2]map[string]*template.Template // by language: English, Chinese
	version   string                           // of the static files
}

func newPages() (*pages, error) {
	p := &pages{languages: language.NewMatcher([]language.Tag{language.English, language.SimplifiedChinese, language.TraditionalChinese})}
	words, err := files.ReadFile("zh.json")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(words, &p.chinese); err != nil {
		return nil, fmt.Errorf("reading the Chinese texts: %w", err)
	}
	p.patterns = findPatterns(p.chinese)
	hash := sha256.New()
	err = fs.WalkDir(files, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := files.ReadFile(name)
		hash.Write(content)
		return err
	})
	if err != nil {
		return nil, err
	}
	p.version = hex.EncodeToString(hash.Sum(nil))[:12]
	for tongue := range p.byName {
		if p.byName[tongue], err = p.parse(tongue); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// parse parses the templates in a language: a page each, in the same layout.
func (p *pages) parse(tongue int) (map[string]*template.Template, error) {
	layout, err := template.New("layout.html").Funcs(template.FuncMap{
		"t":      func(text string, args ...any) string { return p.say(tongue, text, args...) },
		"why":    func(state, reason string) string { return p.why(tongue, state, reason) },
		"static": func(name string) string { return "/static/" + p.version + "/" + name },
		"clean":  clean, "long": func(text string) string { return clean(text, 2000) }, "clock": clock, "moment": moment, "whole": whole,
	}).ParseFS(files, "templates/layout.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	parsed := make(map[string]*template.Template)
	for _, name := range names {
		page := strings.TrimSuffix(strings.TrimPrefix(name, "templates/"), ".html")
		if page == "layout" {
			continue
		}
		if parsed[page], err = template.Must(layout.Clone()).ParseFS(files, name); err != nil {
			return nil, err
		}
	}
	return parsed, nil
}

// say is a text in a language. A text that has no Chinese, such as one that
// Kuaishou or a person wrote, is itself.
func (p *pages) say(tongue int, text string, args ...any) string {
	if said, known := p.chinese[text]; known && tongue == 1 {
		text = said
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// tongue is the language of a request: 0 is English, 1 Chinese.
func (p *pages) tongue(r *http.Request) int {
	if cookie, err := r.Cookie(languageCookie); err == nil {
		if cookie.Value == "zh" {
			return 1
		}
		return 0
	}
	_, matched := language.MatchStrings(p.languages, r.Header.Get("Accept-Language"))
	return min(matched, 1) // there is one Chinese for all who read it
}

// view is what a layout shows.
type view struct {
	Language string // as in the attribute lang
	Title    string
	Page     string
	Path     string // to come back to
	Login    bool   // there is a token
	Data     any
}

// show answers with a page.
func (c *Console) show(w http.ResponseWriter, r *http.Request, status int, page, title string, data any) {
	tongue := c.pages.tongue(r)
	v := view{
		Language: [...]string{"en", "zh-CN"}[tongue], Title: c.pages.say(tongue, title), Page: page,
		Path: r.URL.RequestURI(), Login: c.o.Token != "" && page != "login", Data: data,
	}
	if r.Method != http.MethodGet {
		v.Path = "/"
	}
	var body bytes.Buffer
	if err := c.pages.byName[tongue][page].Execute(&body, v); err != nil {
		c.o.Logger.Error("a page of the console cannot be shown", "page", page, "err", err)
		http.Error(w, "This page cannot be shown; the log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept-Language, Cookie")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the browser may be gone
}

// fail answers with a sentence.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, status int, sentence string) {
	c.show(w, r, status, "message", "Not done", sentence)
}

// away answers that a database cannot be asked, and with the reason.
func (c *Console) away(w http.ResponseWriter, r *http.Request, err error) {
	c.fail(w, r, http.StatusServiceUnavailable, err.Error())
}

// static serves what pages load. Its address changes with its content.
func (c *Console) static(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("version") != c.pages.version {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeFileFS(w, r, files, "static/"+r.PathValue("file"))
}

// language keeps the language that a person has chosen.
func (c *Console) language(w http.ResponseWriter, r *http.Request) {
	chosen := "en"
	if r.PostFormValue("language") == "zh" {
		chosen = "zh"
	}
	http.SetCookie(w, &http.Cookie{Name: languageCookie, Value: chosen, Path: "/", MaxAge: int(tokenAge.Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode})
	back := r.PostFormValue("back")
	if !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") || strings.HasPrefix(back, `/\`) {
		back = "/" // only to a page of ours
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}
