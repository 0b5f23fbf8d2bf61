package top

import (
	"slices"

	"github.com/charmbracelet/bubbles/help"
	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/lipgloss"
)

// keys are what the user can press, and how the help line names it. quit comes after all: the same
// key ends a filter first.
var keys = struct {
	filter, sort, fold, checks, done, all key.Binding
	quit, scroll, down, up                key.Binding
	pageDown, pageUp                      key.Binding
}{
	filter: key.NewBinding(key.WithKeys("/"), key.WithHelp("/", "filter")),
	sort:   key.NewBinding(key.WithKeys("s"), key.WithHelp("s", "sort")),
	fold:   key.NewBinding(key.WithKeys("f"), key.WithHelp("f", "fold")),
	checks: key.NewBinding(key.WithKeys("c"), key.WithHelp("c", "checks")),
	done:   key.NewBinding(key.WithKeys("enter"), key.WithHelp("enter", "done")),
	all:    key.NewBinding(key.WithKeys("esc"), key.WithHelp("esc", "all")),

	quit: key.NewBinding(key.WithKeys("q", "esc", "ctrl+c"), key.WithHelp("q", "quit")),
	scroll: key.NewBinding(key.WithKeys("down", "up", "pgdown", "pgup"),
		key.WithHelp("arrows", "scroll")),
	down:     key.NewBinding(key.WithKeys("down", "j")),
	up:       key.NewBinding(key.WithKeys("up", "k")),
	pageDown: key.NewBinding(key.WithKeys("pgdown", " ")),
	pageUp:   key.NewBinding(key.WithKeys("pgup")),
}

// newHelp returns the help line's looks: keys stand out by weight alone, in any terminal's colours.
func newHelp() help.Model {
	h := help.New()
	h.ShortSeparator = "  "
	h.Styles = help.Styles{ShortKey: lipgloss.NewStyle().Bold(true)}
	return h
}

// legend explains the columns, behind the keys.
const legend = "  bit: bits a second"

// helpLine returns the last line of the screen: the filter if there is one, and the keys that have
// an effect now.
func (m Model) helpLine() string {
	l, line := &m.list, ""
	if l.filter.Focused() {
		return m.withKeys(l.filter.View(), "", keys.done, keys.all)
	}
	sort, fold := keys.sort, keys.fold
	sort.SetHelp("s", "sort: "+orders[l.order].name)
	if l.folded {
		fold.SetHelp("f", "unfold")
	}
	bindings := []key.Binding{keys.quit, keys.filter, sort, fold, keys.scroll}
	if m.checked() {
		bindings = slices.Insert(bindings, 4, keys.checks)
	}
	if l.filter.Value() != "" {
		line = l.filter.Prompt + l.filter.Value()
		bindings = append([]key.Binding{keys.all}, bindings...)
	}
	return m.withKeys(line, legend, bindings...)
}

// withKeys returns a text, as many keys as fit behind it, and the end of the line.
func (m Model) withKeys(text, end string, bindings ...key.Binding) string {
	if text != "" {
		text += m.help.ShortSeparator
	}
	m.help.Width = max(1, m.width-lipgloss.Width(text)-len(end))
	return text + m.help.ShortHelpView(bindings) + end
}
