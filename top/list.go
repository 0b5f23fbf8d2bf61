package top

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"

	"fulcrum/control"
)

// list says which services are shown, and how.
type list struct {
	filter string // a part of what is known of a service; all match the empty one
	typing bool   // keys go into the filter
	order  int    // index into orders
	folded bool   // without real servers
}

// orders are the orders of services, in turn. Figures begin with the largest.
var orders = []struct {
	name   string
	figure func(s *control.ServiceReport, t traffic) float64 // nil: as in the file
}{
	{"file", nil},
	{"active", func(s *control.ServiceReport, _ traffic) float64 { active, _ := sessions(s); return active }},
	{"new/s", func(_ *control.ServiceReport, t traffic) float64 { return t.sessions }},
	{"pps", func(_ *control.ServiceReport, t traffic) float64 { return t.inPackets + t.outPackets }},
	{"bits", func(_ *control.ServiceReport, t traffic) float64 { return t.inBits + t.outBits }},
}

// sessions returns the active and the inactive sessions of a service's real servers.
func sessions(s *control.ServiceReport) (active, inactive float64) {
	for _, rs := range s.RealServers {
		active += float64(rs.Active)
		inactive += float64(rs.Inactive)
	}
	return active, inactive
}

// maxFilter bounds the filter, in bytes.
const maxFilter = 64

// typed handles a key while the filter is typed.
func (l *list) typed(key tea.KeyMsg) {
	switch key.Type {
	case tea.KeyEnter:
		l.typing = false
	case tea.KeyEsc:
		l.typing, l.filter = false, ""
	case tea.KeyBackspace:
		if r := []rune(l.filter); len(r) > 0 {
			l.filter = string(r[:len(r)-1])
		}
	case tea.KeyRunes, tea.KeySpace:
		text := l.filter + string(key.Runes)
		unprintable := func(r rune) bool { return !unicode.IsPrint(r) } // of a pasted text
		if len(text) <= maxFilter && !strings.ContainsFunc(text, unprintable) {
			l.filter = text
		}
	}
}

// press handles a key that chooses services, and reports whether it was one.
func (l *list) press(key string) bool {
	switch {
	case key == "/":
		l.typing = true
	case key == "s":
		l.order = (l.order + 1) % len(orders)
	case key == "f":
		l.folded = !l.folded
	case key == "esc" && l.filter != "":
		l.filter = ""
	default:
		return false
	}
	return true
}

// line returns the last line of the screen: the keys, or the filter while it is typed.
func (l *list) line() string {
	if l.typing {
		return "filter: " + l.filter + "_  (enter: done, esc: all services)"
	}
	fold := "fold"
	if l.folded {
		fold = "unfold"
	}
	text := fmt.Sprintf("q quit  / filter  s sort: %s  f %s  arrows scroll  bit: bits a second",
		orders[l.order].name, fold)
	if l.filter != "" {
		return "filter: " + l.filter + "  esc all  " + text
	}
	return text
}

// chosen returns the chosen services in their order. The model must have a report.
func (m *Model) chosen() []*control.ServiceReport {
	var all []*control.ServiceReport
	for i := range m.last.Report.Services {
		if s := &m.last.Report.Services[i]; m.list.filter == "" || matches(s, m.list.filter) {
			all = append(all, s)
		}
	}
	if figure := orders[m.list.order].figure; figure != nil {
		of := func(s *control.ServiceReport) float64 { return figure(s, m.rates.services[key(s.Name, "")]) }
		slices.SortStableFunc(all, func(a, b *control.ServiceReport) int { return cmp.Compare(of(b), of(a)) })
	}
	return all
}

// matches reports whether a service's line or the address of one of its real servers has a text, in
// upper or lower case.
func matches(s *control.ServiceReport, text string) bool {
	has := func(in string) bool { return strings.Contains(strings.ToLower(in), strings.ToLower(text)) }
	return has(title(s)) || slices.ContainsFunc(s.RealServers,
		func(rs control.RealServerReport) bool { return has(rs.Address) })
}

// title is what a service's line begins with.
func title(s *control.ServiceReport) string {
	return fmt.Sprintf("%s %s %s %s", s.Name, s.Protocol, s.Address, s.Mode)
}
