package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is what `ingest completion --help` adds.
func (completionCommand) Help() string {
	return `Put this into the file that your shell reads at its start, with ingest in PATH:

    source <(ingest completion bash)                                        # ~/.bashrc
    source <(ingest completion zsh)                                         # ~/.zshrc, after compinit
    ingest completion fish > ~/.config/fish/completions/ingest.fish         # once`
}

// Run prints the script for a shell. All of them ask `ingest complete`, so that
// they never have to be made anew.
func (c *completionCommand) Run(p *process) error {
	script := map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell]
	_, err := io.WriteString(p.stdout, script)
	return err
}

const bashScript = `# Completes ingest. COMP_WORDS breaks at =, which ingest complete knows.
_ingest() {
	local IFS=$'\n'
	COMPREPLY=($("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f 1))
}
complete -o default -F _ingest ingest
`

const zshScript = `#compdef ingest
_ingest() {
	local -a found
	local line
	for line in "${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
		[[ -n $line ]] && found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
	done
	if (( $#found )); then _describe ingest found; else _files; fi
}
compdef _ingest ingest
`

const fishScript = `function __ingest_complete
	set -l words (commandline -opc)
	set -l last (commandline -ct)
	set -l found ($words[1] complete -- $words[2..-1] "$last" 2>/dev/null)
	if test (count $found) -gt 0
		string join \n -- $found
	else
		__fish_complete_path "$last"
	end
end
complete -c ingest -f -a '(__ingest_complete)'
`

type completeCommand struct {
	Words []string `arg:"" optional:"" help:"The words behind ingest; the last one is to be completed."`
}

// Run prints what the last word can be, a line each, with a tab before what it
// means. Nothing means that it may be a file.
func (c *completeCommand) Run(p *process, ctx *kong.Context) error {
	for _, candidate := range complete(ctx.Model.Node, c.Words) {
		fmt.Fprintf(p.stdout, "%s\t%s\n", candidate.word, firstSentence(candidate.help))
	}
	return nil
}

func firstSentence(text string) string {
	first, _, _ := strings.Cut(text, ". ")
	return strings.TrimSuffix(strings.ReplaceAll(first, "\n", " "), ".")
}

type candidate struct{ word, help string }

// complete answers what the last of the words can be.
func complete(node *kong.Node, words []string) []candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	last := words[len(words)-1]
	flags := node.Flags
	var valued *kong.Flag // the flag whose value comes next
	for _, word := range words[:len(words)-1] {
		name, _, given := strings.Cut(word, "=")
		switch flag := flagBy(flags, name); {
		case word == "=": // bash makes it a word of its own
		case valued != nil:
			valued = nil
		case flag != nil:
			if !given && !flag.IsBool() {
				valued = flag
			}
		case !strings.HasPrefix(word, "-"):
			if child := childBy(node, word); child != nil {
				node = child
				flags = append(slices.Clone(flags), child.Flags...)
			}
		}
	}
	if last == "=" {
		last = ""
	}
	if name, value, given := strings.Cut(last, "="); given && strings.HasPrefix(last, "-") {
		return matching(valuesOf(flagBy(flags, name), name+"="), name+"="+value)
	}
	switch {
	case valued != nil:
		return matching(valuesOf(valued, ""), last)
	case strings.HasPrefix(last, "-"):
		return matching(flagWords(flags), last)
	}
	var found []candidate
	for _, child := range node.Children {
		if !child.Hidden {
			found = append(found, candidate{child.Name, child.Help})
		}
	}
	for _, argument := range node.Positional {
		if argument.Enum != "" {
			for _, value := range argument.EnumSlice() {
				found = append(found, candidate{value, ""})
			}
		}
	}
	return matching(found, last)
}

// flagWords are the flags as they are written.
func flagWords(flags []*kong.Flag) (found []candidate) {
	for _, flag := range flags {
		if flag.Hidden {
			continue
		}
		found = append(found, candidate{"--" + flag.Name, flag.Help})
		if flag.Tag.Negatable != "" {
			found = append(found, candidate{"--no-" + flag.Name, flag.Help})
		}
	}
	return found
}

// valuesOf are the values of a flag that takes only certain ones, with what stands
// before them in the word.
func valuesOf(flag *kong.Flag, before string) (found []candidate) {
	if flag == nil || flag.Enum == "" {
		return nil
	}
	for _, value := range flag.EnumSlice() {
		found = append(found, candidate{before + value, ""})
	}
	return found
}

func matching(all []candidate, begin string) []candidate {
	return slices.DeleteFunc(all, func(c candidate) bool { return !strings.HasPrefix(c.word, begin) })
}

func flagBy(flags []*kong.Flag, word string) *kong.Flag {
	for _, flag := range flags {
		if word == "--"+flag.Name || flag.Short != 0 && word == "-"+string(flag.Short) {
			return flag
		}
	}
	return nil
}

func childBy(node *kong.Node, name string) *kong.Node {
	at := slices.IndexFunc(node.Children, func(child *kong.Node) bool { return child.Name == name })
	if at < 0 {
		return nil
	}
	return node.Children[at]
}
