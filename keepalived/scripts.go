package keepalived

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"fulcrum/config"
)

const noGroup = "programs have the group of their user"

// takeScriptUser reads who runs the programs that name no user.
func (i *importer) takeScriptUser(globals *entry) {
	for _, e := range globals.block {
		if e.words[0] == "script_user" {
			i.scriptUser = i.user(e)
		}
	}
}

// user parses "KEY USER [GROUP]".
func (i *importer) user(e *entry) string {
	if len(e.words) > 2 {
		i.Leave(e.place, e.String(), noGroup)
	}
	return e.value()
}

func (c *checking) takeScriptTimeout(e *entry) {
	c.script = option{entry: e, time: c.seconds(e, time.Millisecond)}
}

func (c *checking) takeUser(e *entry) { c.h.User = c.user(e) }

func finishScript(c *checking) {
	if c.h.User == "" {
		c.h.User = c.scriptUser
	}
}

// program parses the word after a key, which has a program and its arguments as keepalived splits
// them: at spaces outside quotes. No shell reads them, here as there.
func (i *importer) program(e *entry) config.Words {
	all, err := arguments(e.value())
	switch {
	case err != nil:
		i.Wrong(e.place, "%s: %v", e.words[0], err)
	case len(all) == 0:
		i.Wrong(e.place, "%s: missing program", e.words[0])
	case !utf8.ValidString(e.value()) || slices.ContainsFunc(all, isNoArgument):
		i.Leave(e.place, e.String(), "an argument is empty, has a zero byte, or is not UTF-8")
	default:
		return config.WordsOf(all)
	}
	return ""
}

func isNoArgument(text string) bool { return text == "" || strings.Contains(text, "\x00") }

// arguments splits a text at spaces outside quotes.
func arguments(text string) (all []string, err error) {
	for text = strings.TrimLeft(text, spaces); text != ""; text = strings.TrimLeft(text, spaces) {
		var w string
		if w, text, err = cut(text, spaces); err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}
