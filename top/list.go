package top

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/cursor"
	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"fulcrum/control"
)

// list says which services are shown, and how.
type list struct {
	// filter is a part of what is known of a service; all match the empty one. Keys go into it while
	// it has the focus.
	filter textinput.Model
	order  int  // index into orders
	folded bool // without real servers
	checks bool // with the latest check of each real server
}

// maxFilter bounds the filter, in characters.
const maxFilter = 64

// newList returns a list of all services as in the file.
func newList() list {
	f := textinput.New()
	f.Prompt, f.CharLimit = "filter: ", maxFilter
	f.Cursor.SetMode(cursor.CursorStatic)
	f.KeyMap.Paste.SetEnabled(false) // it would run the clipboard's programs; terminals paste too
	return list{filter: f}
}

// typed handles a key while the filter is typed.
func (l *list) typed(k tea.KeyMsg) {
	switch {
	case key.Matches(k, keys.done):
		l.filter.Blur()
	case key.Matches(k, keys.all):
		l.filter.Blur()
		l.filter.Reset()
	default:
		l.filter, _ = l.filter.Update(k) // a cursor that does not blink has no command
	}
}

// press handles a key that chooses services, and reports whether it was one.
func (l *list) press(k tea.KeyMsg) bool {
	switch {
	case key.Matches(k, keys.filter):
		l.filter.Focus()
		l.filter.CursorEnd()
	case key.Matches(k, keys.sort):
		l.order = (l.order + 1) % len(orders)
	case key.Matches(k, keys.fold):
		l.folded = !l.folded
	case key.Matches(k, keys.checks):
		l.checks = !l.checks
	case key.Matches(k, keys.all) && l.filter.Value() != "":
		l.filter.Reset()
	default:
		return false
	}
	return true
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

// chosen returns the chosen services in their order. The model must have a report.
func (m *Model) chosen() []*control.ServiceReport {
	var all []*control.ServiceReport
	text := m.list.filter.Value()
	for i := range m.last.Report.Services {
		if s := &m.last.Report.Services[i]; text == "" || matches(s, text) {
			all = append(all, s)
		}
	}
	if figure := orders[m.list.order].figure; figure != nil {
		of := func(s *control.ServiceReport) float64 { return figure(s, m.rates.services[trafficKey(s.Name, "")]) }
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
