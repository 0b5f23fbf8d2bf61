package top

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"fulcrum/control"
)

// Parts of the screen, in lines.
const (
	mostDrops   = 4
	mostWorkers = 4
)

// View returns the screen: as many lines as the terminal has, none longer than its width.
func (m Model) View() string {
	if m.last.Report == nil {
		return m.fit([]string{"waiting for the director", errorLine(m.err)})
	}
	lines := append(m.head(), m.row("service, real server", "weight", "active", "inact", "new/s",
		"in pps", "out pps", "in bit", "out bit"))
	services, space, first := m.services(), m.serviceSpace(), min(m.first, m.lastFirst())
	shown := services[first:min(len(services), first+space)]
	lines = append(lines, shown...)
	for range space - len(shown) {
		lines = append(lines, "")
	}
	return m.fit(append(lines, m.bottom()...))
}

// serviceSpace returns the number of lines for services. The model must have a report.
func (m Model) serviceSpace() int { return max(1, m.height-len(m.head())-len(m.bottom())-1) }

// lastFirst returns the first shown line of the services when the last line is shown.
func (m Model) lastFirst() int {
	if m.last.Report == nil {
		return 0
	}
	return max(0, m.serviceLines()-m.serviceSpace())
}

func (m Model) bottom() []string {
	lines := m.dropLines()
	// The error has a line of its own: it is long, and cut at the edge of the screen.
	if m.err != nil {
		lines = append(lines, errorLine(m.err))
	}
	return append(lines, m.helpLine())
}

func errorLine(err error) string {
	if err == nil {
		return ""
	}
	return "! " + err.Error()
}

// fit cuts lines that do not fit.
func (m Model) fit(lines []string) string {
	lines = lines[:min(len(lines), m.height)]
	for i, l := range lines {
		lines[i] = strings.TrimRight(ansi.Truncate(l, m.width, ""), " ")
	}
	return strings.Join(lines, "\n")
}

func (m Model) head() []string {
	r, sessions := &m.rates, 0
	for _, w := range m.last.Report.Workers {
		sessions += w.Sessions
	}
	lines := []string{
		fmt.Sprintf("fulcrum  in %s pps  out %s pps  dropped %s pps  new %s/s  sessions %s",
			short(r.received), short(r.transmitted), short(r.dropped), short(r.sessions), short(float64(sessions))),
		"in pps   " + sparkline(m.history, m.width-9),
		"",
	}
	if m.last.Report.HostClasses != nil {
		lines[2] = fmt.Sprintf("to host %s pps  from host %s pps", short(r.toHost), short(r.fromHost))
		lines = append(lines, "")
	}
	if t := &m.last.Report.Templates; t.InUse > 0 {
		lines[len(lines)-1] = fmt.Sprintf("templates %s of %s", short(float64(t.InUse)), short(float64(t.Limit)))
		lines = append(lines, "")
	}
	return append(append(lines, m.workerLines()...), "")
}

// workerLines returns the busy shares of the first workers, and how many more workers there are.
func (m Model) workerLines() []string {
	var lines []string
	workers := m.last.Report.Workers
	for i, w := range workers[:min(len(workers), mostWorkers)] {
		busy, received := 0.0, 0.0
		if i < len(m.rates.busy) {
			busy, received = m.rates.busy[i], m.rates.worker[i]
		}
		lines = append(lines, fmt.Sprintf("worker %-3d cpu %-3d [%s] %3.0f%%  in %s pps  sessions %s",
			i, w.CPU, bar(busy, 20), 100*busy, short(received), short(float64(w.Sessions))))
	}
	if n := len(workers) - mostWorkers; n > 0 {
		lines = append(lines, fmt.Sprintf("and %d more workers", n))
	}
	return lines
}

// The columns of services and real servers take 79 characters with the first column's smallest
// width. In a wider terminal comes the column of inactive sessions. Then the first column grows to
// the longest name: figures stay beside their names.
const (
	leastName     = 28
	sessionCounts = " %6s %6s"
	inactiveCount = " %6s"
	rateCounts    = " %6s %6s %7s %6s %7s"
	countsWidth   = 7*6 + 2*1 + 7 // seven columns of six, two of them one wider, and spaces
	inactiveWidth = 7
)

// roomForInactive reports whether the terminal is wide enough for inactive sessions.
func (m Model) roomForInactive() bool { return m.width-1-countsWidth-inactiveWidth >= leastName }

func (m Model) nameWidth() int {
	room := m.width - 1 - countsWidth
	if m.roomForInactive() {
		room -= inactiveWidth
	}
	return max(leastName, min(room, m.longestName()))
}

// longestName returns the length of the longest name of the services and real servers.
func (m Model) longestName() (n int) {
	for i := range m.last.Report.Services {
		s := &m.last.Report.Services[i]
		n = max(n, len(title(s)))
		for _, rs := range s.RealServers {
			n = max(n, len(indent)+len(rs.Address)+len(mark(&rs)))
		}
	}
	return n
}

// indent begins the line of a real server.
const indent = "  "

// mark returns what stands behind the address of a real server: its state, unless that is up.
func mark(rs *control.RealServerReport) string {
	if trouble := rs.Trouble(); trouble != "" {
		return " " + trouble
	}
	return ""
}

func (m Model) row(name, weight, active, inactive string, rates ...any) string {
	line := fmt.Sprintf("%-*s", m.nameWidth(), name) + fmt.Sprintf(sessionCounts, weight, active)
	if m.roomForInactive() {
		line += fmt.Sprintf(inactiveCount, inactive)
	}
	return line + fmt.Sprintf(rateCounts, rates...)
}

// cutMiddle shortens an address to n characters. It keeps its end, which distinguishes it from
// others.
func cutMiddle(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return text[:n/3] + "…" + text[len(text)-(n-n/3-1):]
}

// services returns a line for each chosen service and its real servers.
func (m Model) services() []string {
	var lines []string
	width := m.nameWidth()
	for _, s := range m.chosen() {
		active, inactive := sessions(s)
		lines = append(lines, m.serviceLine(ansi.Truncate(title(s), width, "…"), "", active, inactive,
			m.rates.services[trafficKey(s.Name, "")]))
		if m.list.folded {
			continue
		}
		checks := m.checkLines(s)
		for i, rs := range s.RealServers {
			state := mark(&rs)
			name := indent + cutMiddle(rs.Address, width-len(indent)-len(state)) + state
			lines = append(lines, m.serviceLine(name, fmt.Sprint(rs.Weight), float64(rs.Active),
				float64(rs.Inactive), m.rates.services[trafficKey(s.Name, rs.Address)]))
			if text := checks[i]; text != "" {
				lines = append(lines, indent+indent+text)
			}
		}
	}
	return lines
}

func (m Model) serviceLine(name, weight string, active, inactive float64, t traffic) string {
	return m.row(name, weight, short(active), short(inactive), short(t.sessions), short(t.inPackets),
		short(t.outPackets), short(t.inBits), short(t.outBits))
}

func (m Model) dropLines() []string {
	lines := []string{"", "dropped a second, and in all"}
	for _, d := range m.rates.drops[:min(len(m.rates.drops), mostDrops)] {
		lines = append(lines, fmt.Sprintf("%8s %8s  %s", short(d.rate),
			short(float64(d.total)), d.reason))
	}
	if len(m.rates.drops) == 0 {
		lines = append(lines, "       0        0  nothing")
	}
	return lines
}

// bar draws a share as a bar of n characters.
func bar(share float64, n int) string {
	full := int(share*float64(n) + 0.5)
	return strings.Repeat("#", full) + strings.Repeat(".", n-full)
}

var blocks = []rune("▁▂▃▄▅▆▇█")

// sparkline draws the last n values. The greatest is a full block.
func sparkline(values []float64, n int) string {
	values = values[max(0, len(values)-max(n, 0)):]
	greatest := 0.0
	for _, v := range values {
		greatest = max(greatest, v)
	}
	line := make([]rune, len(values))
	for i, v := range values {
		line[i] = blocks[0]
		if greatest > 0 {
			line[i] = blocks[int(v/greatest*float64(len(blocks)-1)+0.5)]
		}
	}
	return string(line)
}

// short returns a number in at most six characters.
func short(v float64) string {
	for _, unit := range []string{"", "k", "M", "G"} {
		switch {
		case v < 9.95 && unit != "":
			return fmt.Sprintf("%.1f%s", v, unit)
		case v < 999.5:
			return fmt.Sprintf("%.0f%s", v, unit)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.0fT", v)
}
