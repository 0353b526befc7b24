package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type configExample struct{}

// Run prints every setting, commented out.
func (configExample) Run(p *process, ctx *kong.Context) error {
	_, err := io.WriteString(p.stdout, exampleConfig(ctx.Model.Node))
	return err
}

type configReference struct{}

// Run prints the reference.
func (configReference) Run(p *process, ctx *kong.Context) error {
	_, err := io.WriteString(p.stdout, referencePage(ctx.Model.Node))
	return err
}

const exampleHead = `# The settings of ingest: bin/ingest run --config ingest.toml
# Each stands here with its default; take the # away to set it. A flag is stronger
# than an environment variable, and that than this file. Relative paths are meant
# from the folder of this file. chmod 600, when it holds a password.
# Written by: ingest config example
`

func exampleConfig(app *kong.Node) string {
	var b strings.Builder
	b.WriteString(exampleHead)
	heading := ""
	for _, o := range options(app) {
		if _, title := o.place(); title != heading {
			heading = title
			fmt.Fprintf(&b, "\n### %s\n", title)
		}
		b.WriteByte('\n')
		for _, line := range wrapped(o.flag.Help, 90) {
			fmt.Fprintf(&b, "# %s\n", line)
		}
		fmt.Fprintf(&b, "#%s = %s\n", o.key, o.defaultTOML())
	}
	return b.String()
}

// defaultTOML is the default as the file would hold it.
func (o option) defaultTOML() string {
	switch o.kind() {
	case boolKind:
		if o.flag.Default == "" {
			return "false"
		}
		return o.flag.Default
	case numberKind:
		return o.flag.Default
	case listKind:
		if o.flag.Default == "" {
			return "[]"
		}
		return `["` + strings.ReplaceAll(o.flag.Default, ",", `", "`) + `"]`
	}
	return `"` + o.flag.Default + `"`
}

// wrapped breaks a text into lines of at most so many bytes, if its words allow it.
func wrapped(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

const referenceHead = `# Settings

<!-- Written by make generate from the command line's own definitions: do not edit. -->

Each setting has one name in three forms: the flag ` + "`--max-rooms`" + `, the environment variable ` + "`INGEST_MAX_ROOMS`" + `, and the key
` + "`max_rooms`" + ` in a config file, which ` + "`--config FILE`" + ` (` + "`INGEST_CONFIG`" + `) names. What is nearer wins: a flag, then the environment, then
the file, then the default. A variable that is set to nothing counts as not set where the file has a value.

` + "```" + `
bin/ingest config example > ingest.toml          # every setting with its default: the same as deploy/ingest.toml
bin/ingest config check --config ingest.toml     # what is wrong with it, asking nobody
bin/ingest config print --config ingest.toml     # what holds, and where each value is from; passwords are masked
bin/ingest run --config ingest.toml
` + "```" + `

The file is [TOML](https://toml.io) without tables. An unknown key is an error, with its line and what it may have been meant for.
Paths in it are relative to its own folder. It is read once, at the start. Every command takes from it what concerns it, so
` + "`ingest lives --config ingest.toml list`" + ` finds the same databases. What is asked of a single command, such as ` + "`--dry-run`" + ` or
` + "`--user`" + `, is no setting and is not taken from it. Passwords belong into the file (` + "`chmod 600`" + `) or the environment, not into flags,
which others on the machine can read.
`

func referencePage(app *kong.Node) string {
	var b strings.Builder
	b.WriteString(referenceHead)
	heading := ""
	for _, o := range options(app) {
		if _, title := o.place(); title != heading {
			heading = title
			fmt.Fprintf(&b, "\n## %s\n\n| key | flag | environment | value | default | |\n|---|---|---|---|---|---|\n", title)
		}
		value := o.kind()
		if o.flag.Tag.Has("secret") {
			value += ", secret"
		}
		flag := "--" + o.flag.Name
		if o.flag.Tag.Negatable != "" {
			flag += "`, `--no-" + o.flag.Name
		}
		standard := ""
		if o.flag.Default != "" {
			standard = "`" + o.defaultTOML() + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | `%s` | %s | %s | %s |\n", o.key, flag, o.env, value, standard, strings.ReplaceAll(o.flag.Help, "|", `\|`))
	}
	return b.String()
}
