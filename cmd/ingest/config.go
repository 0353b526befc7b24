package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"

	"kslive/migrations"
)

//go:generate sh -c "go run . config reference >../../docs/configuration.md"
//go:generate sh -c "go run . config example >../../deploy/ingest.toml"

type configCommand struct {
	Check     configCheck     `cmd:"" help:"Check the config file, the environment and the flags, as ingest run with the same flags takes them; ask nobody."`
	Print     configPrint     `cmd:"" help:"Print every setting with where it is from, as a config file. Passwords are masked."`
	Example   configExample   `cmd:"" help:"Print a config file with every setting, its default and what it does."`
	Reference configReference `cmd:"" hidden:"" help:"Print docs/configuration.md."`
}

// allFlags are those of ingest run, and those that other commands have beside
// them.
type allFlags struct {
	runCommand
	httpFlags
}

type configCheck struct{ allFlags }

// Run says what is wrong, if anything. What is wrong with the file itself was said
// when the command line was read.
func (c *configCheck) Run(p *process, ctx *kong.Context) error {
	wrong := []error{c.wrong(), migrations.ParseURLs("", c.HTTP)}
	if !c.Embedded {
		_, err := c.requireBoth(c.DataDir)
		wrong = append(wrong, err)
	}
	client, err := c.client(p.logger)
	if wrong = append(wrong, err); err == nil {
		client.Close()
	}
	_, err = c.key(p.logger)
	wrong = append(wrong, err)
	_, err = c.certificate(p.logger)
	if err := errors.Join(append(wrong, err)...); err != nil {
		return exitError{exitFailed, err.Error()}
	}
	path := string(ctx.FlagValue(flagNamed(ctx, "config")).(configFlag))
	if path == "" {
		fmt.Fprintln(p.stdout, "ok: no config file; flags and environment can be used")
		return nil
	}
	if readable := readableSecrets(path, options(ctx.Model.Node)); readable != "" {
		fmt.Fprintf(p.stderr, "%s: it holds %s and can be read by everybody on this machine: chmod 600 %s\n", path, readable, path)
	}
	fmt.Fprintf(p.stdout, "ok: %s\n", path)
	return nil
}

// readableSecrets names the key of a password in a config file that everybody on
// the machine can read; empty when there is none.
func readableSecrets(path string, known []option) string {
	info, err := os.Stat(kong.ExpandPath(path))
	if err != nil || info.Mode().Perm()&0o004 == 0 {
		return ""
	}
	file, err := readConfig(path, known)
	if err != nil {
		return ""
	}
	at := slices.IndexFunc(known, func(o option) bool {
		text, _ := file.values[o.key].(string)
		return text != masked(text, o.flag.Tag.Has("secret"))
	})
	if at < 0 {
		return ""
	}
	return "the password of " + known[at].key
}

// flagNamed is a flag of every command.
func flagNamed(ctx *kong.Context, name string) *kong.Flag {
	return ctx.Model.Flags[slices.IndexFunc(ctx.Model.Flags, func(f *kong.Flag) bool { return f.Name == name })]
}

type configPrint struct{ allFlags }

// Run prints a config file that says the same, but for what is masked.
func (c *configPrint) Run(p *process, ctx *kong.Context) error {
	var b strings.Builder
	heading := ""
	given := givenOptions(ctx)
	for _, o := range options(ctx.Model.Node) {
		o.flag = given[o.key].flag // this command's own, which has the value
		if _, title := o.place(); title != heading {
			heading = title
			fmt.Fprintf(&b, "\n# %s\n", title)
		}
		line, err := tomlLine(o.key, o.shown())
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%-50s # %s\n", line, given[o.key].from)
	}
	_, err := io.WriteString(p.stdout, strings.TrimPrefix(b.String(), "\n"))
	return err
}

func tomlLine(key string, value any) (string, error) {
	line, err := toml.Marshal(map[string]any{key: value})
	return strings.TrimSpace(string(line)), err
}

// givenOption is a flag of the command that runs, and where its value is from.
type givenOption struct {
	flag *kong.Flag
	from string
}

// givenOptions are the options of the command that runs, by key.
func givenOptions(ctx *kong.Context) map[string]givenOption {
	path := string(ctx.FlagValue(flagNamed(ctx, "config")).(configFlag))
	lines := map[string]int{}
	if file, err := readConfig(path, options(ctx.Model.Node)); err == nil {
		lines = file.lines
	}
	given := make(map[string]givenOption)
	for _, flag := range ctx.Flags() {
		o, ok := optionOf(flag)
		if !ok {
			continue
		}
		from := "default"
		if o.isSet() {
			from = "environment: " + o.env
		}
		for _, p := range ctx.Path {
			switch {
			case p.Flag != flag:
			case p.Resolved:
				from = fmt.Sprintf("file: %s:%d", path, lines[o.key])
			default:
				from = "flag: --" + flag.Name
			}
		}
		given[o.key] = givenOption{flag, from}
	}
	return given
}
