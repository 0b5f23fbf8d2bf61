package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the folder of the tree, seen from this package.
const root = "../.."

// shownCommand is a command line that a page shows: a line of a code block that calls fulcrum or
// curl, or `fulcrum ...` within a sentence or a table.
type shownCommand struct {
	place  string   // page and line, or page alone within a sentence
	text   string   // without "$ ", without the explanation behind it, on one line
	prints []string // the lines below a line that begins with "$ ", without empty ones
}

// shownBlock is a code block of a page.
type shownBlock struct {
	page  string // relative to the root
	line  int    // of its first line
	lines []string
}

// pages returns README.md and docs/*.md.
func pages(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(all) == 0 {
		t.Fatalf("pages %v, %v", all, err)
	}
	return append(all, filepath.Join(root, "README.md"))
}

// readPage splits a page into its code blocks and the text around them.
func readPage(t *testing.T, file string) (blocks []shownBlock, prose string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(file, root+"/")
	fenced, before := false, ""
	var open *shownBlock
	for i, line := range strings.Split(string(text), "\n") {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		indented := strings.HasPrefix(line, "    ") && (open != nil || before == "")
		switch {
		case fence:
			fenced, open = !fenced, nil
		case !fenced && !indented && (open == nil || line != ""):
			open = nil
			prose += line + "\n"
		case open == nil && line != "":
			blocks = append(blocks, shownBlock{page: name, line: i + 1})
			open = &blocks[len(blocks)-1]
			fallthrough
		case open != nil:
			open.lines = append(open.lines, line)
		}
		before = line
	}
	return blocks, prose
}

var (
	callsProgram = regexp.MustCompile(`^(bin/)?fulcrum \w|^curl |\| fulcrum \w`)
	explanation  = regexp.MustCompile(`(\s{2,}|\s#).*$`)
	codeSpan     = regexp.MustCompile("`(fulcrum [^`]+)`")
	placeholder  = regexp.MustCompile(`\b[A-Z]{2,}\b|\.\.\.|[\[\]]`)
)

// commands returns the command lines of a block, with lines joined that end with a backslash.
func (b shownBlock) commands() (all []shownCommand) {
	prompted := false
	for i := 0; i < len(b.lines); i++ {
		line := strings.TrimSpace(b.lines[i])
		place := fmt.Sprintf("%s:%d", b.page, b.line+i)
		for strings.HasSuffix(line, `\`) && i+1 < len(b.lines) {
			i++
			line = strings.TrimSuffix(line, `\`) + strings.TrimSpace(b.lines[i])
		}
		text, prompt := strings.CutPrefix(line, "$ ")
		switch {
		case line == "":
		case prompted && !prompt:
			last := &all[len(all)-1]
			last.prints = append(last.prints, line)
		case callsProgram.MatchString(explanation.ReplaceAllString(text, "")):
			all = append(all, shownCommand{place: place, text: explanation.ReplaceAllString(text, "")})
			prompted = prompt
		}
	}
	return all
}

// spans returns the command lines within sentences and tables.
func spans(file, prose string) (all []shownCommand) {
	for _, m := range codeSpan.FindAllStringSubmatch(prose, -1) {
		text := strings.Join(strings.Fields(m[1]), " ")
		all = append(all, shownCommand{place: filepath.Base(file), text: text})
	}
	return all
}

// TestPagesShowCommandsThatExist reads all command lines of the pages, also those that show how a
// command is called, such as `fulcrum run --config FILE [--report FILE]`.
func TestPagesShowCommandsThatExist(t *testing.T) {
	for _, file := range pages(t) {
		blocks, prose := readPage(t, file)
		all := spans(file, prose)
		for _, b := range blocks {
			all = append(all, b.commands()...)
		}
		for _, c := range all {
			if problem := misspelt(c.text); problem != "" {
				t.Errorf("%s: %s: %s", c.place, c.text, problem)
			}
		}
	}
}

// misspelt returns what is wrong with the command and the flags of a line, or nothing.
func misspelt(line string) string {
	_, after, calls := strings.Cut(" "+line, "fulcrum ")
	if !calls {
		return ""
	}
	after, _, _ = strings.Cut(after, " | ")
	words := strings.Fields(strings.NewReplacer("[", "", "]", "", ",", " ").Replace(after))
	command, rest, err := newRootCommand().Find(words)
	switch {
	case err != nil:
		return err.Error()
	case command.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-"):
		return fmt.Sprintf("unknown command %q", rest[0])
	case command.DisableFlagParsing: // ipvsadm's options are no flags
		return ""
	case command.CommandPath() == "fulcrum lab exec": // flags behind the host are another program's
		return ""
	}
	command.InitDefaultHelpFlag()
	command.InitDefaultVersionFlag()
	for _, w := range rest {
		if w == "--" { // what follows is another program's
			return ""
		}
		if long, is := strings.CutPrefix(w, "--"); is {
			name, _, _ := strings.Cut(long, "=")
			if command.Flag(name) == nil {
				return "unknown flag --" + name
			}
		} else if len(w) > 1 && w[0] == '-' && command.Flags().ShorthandLookup(w[1:2]) == nil {
			return "unknown flag " + w
		}
	}
	return ""
}

// TestMisspelt holds the reading of pages to mistakes that it must find.
func TestMisspelt(t *testing.T) {
	for line, wrong := range map[string]bool{
		"fulcrum run --config FILE [--report FILE]":                 false,
		"ssh old ipvsadm-save -n | fulcrum ipvsadm -R":              false,
		"bin/fulcrum bench --suite throughput,latency":              false,
		"fulcrum sessions [--service, --real-server, --limit]":      false,
		"fulcrum capture -w file.pcapng -s 100":                     false,
		"fulcrum frob":                                              true,
		"fulcrum lab frob":                                          true,
		"fulcrum run --conf FILE":                                   true,
		"fulcrum capture -q":                                        true,
		"curl --unix-socket /run/fulcrum.sock http://director/v1/x": false,
	} {
		if problem := misspelt(line); (problem != "") != wrong {
			t.Errorf("%s: %q", line, problem)
		}
	}
}

// TestReadsPages: indented and fenced blocks, prompts, joined lines and explanations.
func TestReadsPages(t *testing.T) {
	page := writeFile(t, "page.md", strings.Join([]string{
		"Run `fulcrum check", "FILE`:", "", "    $ fulcrum plan \\", "        new.toml   # compares", "    + x", "",
		"    - y", "", "text", "```", "bin/fulcrum status     at a glance", "fulcrum.toml: ok", "```", "",
	}, "\n"))
	blocks, prose := readPage(t, page)
	if len(blocks) != 2 {
		t.Fatalf("blocks %+v", blocks)
	}
	got := append(blocks[0].commands(), append(blocks[1].commands(), spans(page, prose)...)...)
	for i := range got {
		got[i].place = ""
	}
	want := []shownCommand{
		{text: "fulcrum plan new.toml", prints: []string{"+ x", "- y"}}, {text: "bin/fulcrum status"}, {text: "fulcrum check FILE"},
	}
	if !slices.EqualFunc(got, want, func(a, b shownCommand) bool {
		return a.text == b.text && slices.Equal(a.prints, b.prints)
	}) {
		t.Errorf("commands %+v, want %+v", got, want)
	}
}
