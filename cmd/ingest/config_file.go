package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxConfigFile bounds the config file in bytes.
const maxConfigFile = 1 << 20

// configFlag is --config, the path of a TOML file with options. A flag and a
// variable are stronger than the file.
type configFlag string

// BeforeResolve reads the file. Kong calls it before it asks for values of flags
// that are not given.
func (configFlag) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	path := string(ctx.FlagValue(trace.Flag).(configFlag))
	if path == "" {
		return nil
	}
	file, err := readConfig(path, options(ctx.Model.Node))
	if err != nil {
		return err
	}
	ctx.AddResolver(file)
	return nil
}

// configFile is what was read of the config file. It is a kong.Resolver.
type configFile struct {
	path   string
	values map[string]any // by key
	lines  map[string]int // where they stand
}

// readConfig reads a file of options. Its error has a line for each mistake, with
// its place, and holds no values of the file but those that cannot be secrets.
func readConfig(path string, known []option) (*configFile, error) {
	text, err := readConfigText(path)
	if err != nil {
		return nil, fmt.Errorf("reading the config file: %w", err)
	}
	file := &configFile{path: path, values: make(map[string]any), lines: make(map[string]int)}
	values := make(map[string]any)
	if err := toml.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("%s%s", path, notTOML(err))
	}
	places := keyPlaces(text)
	var wrong []error
	for _, key := range slices.SortedFunc(maps.Keys(values), func(a, b string) int { return cmp.Compare(places[a].Offset, places[b].Offset) }) {
		place := places[key]
		value, err := file.check(key, values[key], known)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s:%d:%d: %w", path, place.Line, place.Column, err))
			continue
		}
		file.values[key], file.lines[key] = value, place.Line
	}
	return file, errors.Join(wrong...)
}

func readConfigText(path string) ([]byte, error) {
	file, err := os.Open(kong.ExpandPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s: `ingest config example` prints one to begin with", path)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfigFile+1))
	if err == nil && len(text) > maxConfigFile {
		err = fmt.Errorf("%s is larger than %d bytes: it is no config file", path, maxConfigFile)
	}
	return text, err
}

// notTOML says where a file is wrong. The library's own longer words quote the
// line, and that may hold a password.
func notTOML(err error) string {
	wrong, ok := errors.AsType[*toml.DecodeError](err)
	if !ok {
		return ": it is not TOML"
	}
	line, column := wrong.Position()
	return fmt.Sprintf(":%d:%d: this is not TOML; are the quotes around a text missing, or is a key there twice?", line, column)
}

// keyPlaces are where the top-level keys of a TOML file stand.
func keyPlaces(text []byte) map[string]unstable.Position {
	places := make(map[string]unstable.Position)
	var p unstable.Parser
	p.Reset(text)
	for p.NextExpression() {
		node := p.Expression()
		if node.Kind != unstable.KeyValue && node.Kind != unstable.Table && node.Kind != unstable.ArrayTable {
			continue
		}
		keys := node.Key()
		if !keys.Next() {
			continue
		}
		name := string(keys.Node().Data)
		if _, seen := places[name]; !seen {
			places[name] = p.Shape(keys.Node().Raw).Start
		}
	}
	return places
}

// check answers the value as kong takes it.
func (f *configFile) check(key string, value any, known []option) (any, error) {
	at := slices.IndexFunc(known, func(o option) bool { return o.key == key })
	_, table := value.(map[string]any)
	switch {
	case at >= 0:
	case table:
		return nil, fmt.Errorf("[%s]: this file has no tables; write its keys at the top", key)
	default:
		return nil, fmt.Errorf("unknown key %s: %s", key, suggestion(key, known))
	}
	o := known[at]
	value, err := o.typed(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if text, ok := value.(string); ok && o.flag.Tag.Type == "path" {
		value = f.relative(text)
	}
	if o.flag.Enum != "" && !o.flag.EnumMap()[fmt.Sprint(value)] {
		return nil, fmt.Errorf("%s: want %s", key, o.kind())
	}
	// What the flag itself would say of it.
	target := reflect.New(o.flag.Target.Type()).Elem()
	err = o.flag.Mapper.Decode(&kong.DecodeContext{Value: o.flag.Value, Scan: kong.Scan().PushTyped(value, kong.FlagValueToken)}, target)
	if err != nil {
		return nil, fmt.Errorf("%s: want %s: %s", key, o.kind(), o.flag.Help)
	}
	return value, nil
}

// typed is the value if it is of the option's type in TOML.
func (o option) typed(value any) (any, error) {
	fits := false
	switch v := value.(type) {
	case bool:
		fits = o.kind() == boolKind
	case int64:
		fits = o.kind() == numberKind
	case []any:
		fits = o.kind() == listKind && !slices.ContainsFunc(v, func(element any) bool { _, text := element.(string); return !text })
	case string:
		fits = !slices.Contains([]string{boolKind, numberKind, listKind}, o.kind())
	}
	if !fits {
		return nil, fmt.Errorf("want %s", o.kind())
	}
	return value, nil
}

// relative is a path as it is meant in the file: from the folder that it is in.
func (f *configFile) relative(path string) string {
	if path == "" || filepath.IsAbs(path) || strings.HasPrefix(path, "~/") {
		return path
	}
	return filepath.Join(filepath.Dir(kong.ExpandPath(f.path)), path)
}

// Validate is part of kong.Resolver: the file was checked when it was read.
func (f *configFile) Validate(*kong.Application) error { return nil }

// Resolve answers the value of a flag, nil when the file has none or something
// stronger is set.
func (f *configFile) Resolve(ctx *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	o, ok := optionOf(flag)
	if !ok || o.isSet() || f.values[o.key] == nil {
		return nil, nil
	}
	if len(flag.Xor) > 0 && f.values[o.key] == "" {
		return nil, nil // so that an empty one does not exclude the other
	}
	// Of --accounts and --cookie-file the one that is given is stronger as well.
	for _, other := range parent.Flags {
		if other == flag || !slices.ContainsFunc(other.Xor, func(xor string) bool { return slices.Contains(flag.Xor, xor) }) {
			continue
		}
		given := slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag == other && !p.Resolved })
		if set, ok := optionOf(other); given || ok && set.isSet() {
			return nil, nil
		}
	}
	return f.values[o.key], nil
}

// suggestion is what a wrong key may have been meant for.
func suggestion(key string, known []option) string {
	best, distance := "", len(key)/3+2
	for _, o := range known {
		if d := editDistance(strings.ReplaceAll(strings.ToLower(key), "-", "_"), o.key); d < distance {
			best, distance = o.key, d
		}
	}
	if best == "" {
		return "`ingest config example` lists all keys"
	}
	return fmt.Sprintf("did you mean %s?", best)
}

// editDistance is how many letters must be added, removed or replaced to make a of
// b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
