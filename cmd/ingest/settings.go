package main

import (
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// envPrefix begins the name of every environment variable.
const envPrefix = "INGEST_"

// option is a flag that can also be set in the config file. Its key there is the
// name of its environment variable without INGEST_, in lower case.
type option struct {
	key  string
	env  string
	flag *kong.Flag
}

// options are all that the config file may hold: the flags of `ingest run`, those
// of every command, and where ClickHouse's HTTP interface is; in the order of
// their groups.
func options(app *kong.Node) (found []option) {
	seen := make(map[string]bool)
	add := func(flags []*kong.Flag, want func(*kong.Flag) bool) {
		for _, flag := range flags {
			o, ok := optionOf(flag)
			if ok && want(flag) && !seen[o.key] {
				seen[o.key] = true
				found = append(found, o)
			}
		}
	}
	all := func(*kong.Flag) bool { return true }
	add(app.Flags, all)
	for _, command := range app.Children {
		switch command.Name {
		case "run":
			add(command.Flags, all)
		case "export":
			add(command.Flags, func(flag *kong.Flag) bool { return flag.Name == "clickhouse-http" })
		}
	}
	slices.SortStableFunc(found, func(a, b option) int {
		one, _ := a.place()
		two, _ := b.place()
		return one - two
	})
	return found
}

// optionOf is the option of a flag that has a variable, but for --config.
func optionOf(flag *kong.Flag) (option, bool) {
	if len(flag.Envs) == 0 || flag.Name == "config" {
		return option{}, false
	}
	env := flag.Envs[0]
	return option{strings.ToLower(strings.TrimPrefix(env, envPrefix)), env, flag}, true
}

// optionGroup is a heading of --help and of the reference, with the options below
// it.
type optionGroup struct {
	title string
	keys  []string
}

func optionGroups() []optionGroup {
	return []optionGroup{
		{"Log", []string{"log_level", "log_format"}},
		{"This machine", []string{"data_dir", "http_listen", "http_tls_cert", "http_tls_key", "console", "console_token_file"}},
		{"Databases", []string{"embedded", "postgres", "clickhouse", "clickhouse_http", "clickhouse_cluster", "migrate", "retain", "chdb_library", "postgres_bin", "clickhouse_listen", "clickhouse_memory"}},
		{"Kuaishou", []string{"kuaishou_url", "accounts", "cookie_file", "resolvers", "mobile_url", "endpoint_command", "endpoint_timeout", "page_interval", "exit_name"}},
		{"Worker", []string{"worker", "max_rooms", "poll_every", "lease", "handover_timeout", "drain_timeout"}},
		{"Spool", []string{"spool", "spool_max", "segment_bytes", "keep", "keep_bytes", "insert_timeout"}},
		{"Privacy", []string{"pseudonymize_key_file"}},
	}
}

// noGroup is the title over the options that are in no group.
const noGroup = "Other"

// place is where an option stands among all, and the title of its group. One that
// is in none comes last.
func (o option) place() (number int, title string) {
	for _, group := range optionGroups() {
		if at := slices.Index(group.keys, o.key); at >= 0 {
			return number + at, group.title
		}
		number += len(group.keys)
	}
	return number, noGroup
}

// groupFlags puts the options in --help under their headings.
func groupFlags(_ kong.Visitable, flag *kong.Flag) *kong.Group {
	o, ok := optionOf(flag)
	_, title := o.place()
	if !ok || title == noGroup {
		return nil
	}
	return &kong.Group{Key: title, Title: title + ":"}
}

// isSet says whether the option's variable is set, and not to nothing.
func (o option) isSet() bool { return os.Getenv(o.env) != "" }

// The kinds of values that are no text in TOML.
const (
	boolKind   = "true or false"
	numberKind = "whole number"
	listKind   = "list of texts"
)

// kind says in words what values the option takes.
func (o option) kind() string {
	switch t := o.flag.Target.Type(); {
	case o.flag.Enum != "":
		return "one of " + strings.ReplaceAll(o.flag.Enum, ",", ", ")
	case t == reflect.TypeFor[time.Duration]():
		return "duration, such as \"90s\""
	case t.Kind() == reflect.Bool:
		return boolKind
	case o.flag.IsSlice():
		return listKind
	case t == reflect.TypeFor[int]() || t == reflect.TypeFor[int64]():
		return numberKind
	case o.flag.Tag.Type == "path":
		return "path"
	}
	return "text"
}

// shown is the value as a person may see it and as the file may hold it: without
// passwords.
func (o option) shown() any {
	switch value := o.flag.Target.Interface().(type) {
	case time.Duration:
		return value.String()
	case interface{ MarshalText() ([]byte, error) }:
		text, err := value.MarshalText()
		if err != nil {
			return ""
		}
		return strings.ToLower(string(text))
	case string:
		return masked(value, o.flag.Tag.Has("secret"))
	default:
		return value
	}
}

const mask = "****"

// masked is a text without the passwords in it. Of a secret that is no URL nothing
// is left.
func masked(text string, secret bool) string {
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		if secret || strings.Contains(text, "://") {
			return mask
		}
		return text
	}
	_, password := u.User.Password()
	query := u.Query()
	for name := range query {
		lower := strings.ToLower(name)
		for _, word := range []string{"pass", "secret", "token", "key"} {
			if strings.Contains(lower, word) {
				query.Set(name, mask)
			}
		}
	}
	u.RawQuery = query.Encode()
	if password {
		u.User = url.UserPassword(u.User.Username(), mask)
	}
	return strings.ReplaceAll(u.String(), url.QueryEscape(mask), mask)
}
