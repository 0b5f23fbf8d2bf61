package top

import (
	"slices"

	"fulcrum/control"
)

// mostReasons bounds how many real servers of a service show why they are down.
const mostReasons = 3

// checkLines returns the lines below the real servers of a service, by their index: the latest
// check of each if the user has asked for it, otherwise why the first ones are down.
func (m *Model) checkLines(s *control.ServiceReport) map[int]string {
	lines := map[int]string{}
	for i := range s.RealServers {
		rs := &s.RealServers[i]
		switch {
		case m.list.checks:
			if text := rs.Health.Text(); text != "" {
				lines[i] = text
			}
		case rs.Why != "" && len(lines) < mostReasons:
			lines[i] = rs.Why
		}
	}
	return lines
}

// checked reports whether real servers have health checks.
func (m *Model) checked() bool {
	return m.last.Report != nil && slices.ContainsFunc(m.last.Report.Services,
		func(s control.ServiceReport) bool {
			return slices.ContainsFunc(s.RealServers,
				func(rs control.RealServerReport) bool { return rs.Health != nil })
		})
}
