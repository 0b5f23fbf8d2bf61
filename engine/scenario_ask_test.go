package engine

import (
	"fmt"
	"fulcrum/lvs"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"
)

// listSessions shows the sessions, by client.
func (s *scenario) listSessions(*datadriven.TestData) string {
	var lines []string
	for _, i := range s.listed(1 << 20) {
		text := fmt.Sprintf("%s %v > %v", lvs.Protocol(i.Protocol), i.Client, i.VIP)
		text += fmt.Sprintf(" %v %v", i.Mode, i.RealServer)
		if i.Local.IsValid() {
			text += " from " + s.end(i.Local)
		}
		text += fmt.Sprintf(" %v %v", i.State, i.Left.Round(time.Millisecond))
		text += fmt.Sprintf(" in=%d out=%d", i.PacketsIn, i.PacketsOut)
		if len(s.engine.workers) > 1 {
			text += fmt.Sprintf(" worker=%d", i.Worker)
		}
		lines = append(lines, text+"\n")
	}
	return sortedLines(lines)
}

// listTemplates shows the templates, by clients, and what became of others.
func (s *scenario) listTemplates(*datadriven.TestData) string {
	var lines []string
	s.whileTurning(func() {
		err := s.engine.Templates(s.Context(), 0, func(t *TemplateInfo, _ uint32) bool {
			text := fmt.Sprintf("%s %v > %v %v", t.Protocol, t.Clients, t.Of.Address, t.RealServer)
			text += fmt.Sprintf(" %v sessions=%d", t.Left.Round(100*time.Millisecond), t.Sessions)
			if t.Call != 0 {
				text += " call"
			}
			if t.Confirmed {
				text += " confirmed"
			}
			lines = append(lines, text+"\n")
			return true
		})
		if err != nil {
			s.Error(err)
		}
	})
	text := sortedLines(lines)
	if n := s.engine.Report().Templates; n.GaveWay+n.Refused != 0 {
		text += fmt.Sprintf("gave way: %d, refused: %d\n", n.GaveWay, n.Refused)
	}
	return text
}

func sortedLines(lines []string) string {
	if len(lines) == 0 {
		return "none\n"
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// listServices shows the services with their real servers and connections.
func (s *scenario) listServices(*datadriven.TestData) string {
	var out strings.Builder
	for _, r := range s.engine.Report().Services {
		v := &r.Service
		fmt.Fprintf(&out, "%s %s %v", v.Name, v.Protocol.String(), v.Address)
		fmt.Fprintf(&out, " %v %v\n", v.Mode, v.Scheduler)
		for _, rs := range r.RealServers {
			fmt.Fprintf(&out, "  %v weight=%d", rs.Address, rs.Weight)
			fmt.Fprintf(&out, " active=%d inactive=%d\n", rs.Active, rs.Inactive)
		}
	}
	return out.String()
}

// listNeighbours shows the neighbours that each worker knows, by address.
func (s *scenario) listNeighbours(*datadriven.TestData) string {
	var lines []string
	s.whileTurning(func() {
		err := s.engine.Neighbours(s.Context(), func(n *NeighbourInfo) {
			text := fmt.Sprintf("%v %s %s", n.Address, portNames[n.Port], n.State)
			if !n.MAC.IsZero() {
				text += " " + n.MAC.String()
			}
			if n.Waiting > 0 {
				text += fmt.Sprintf(" waiting=%d", n.Waiting)
			}
			lines = append(lines, text+"\n")
		})
		if err != nil {
			s.Error(err)
		}
	})
	return sortedLines(lines)
}

// explain shows what would become of a packet, without sending it.
func (s *scenario) explain(d *datadriven.TestData) string {
	w := &written{scenario: s, line: d.Input, words: wordPattern.FindAllString(d.Input, -1)}
	w.packet()
	p := &w.pkt
	q := Question{Protocol: p.protocol, From: p.src, To: p.dst, TCPFlags: p.flags, Port: -1}
	var x Explanation
	s.whileTurning(func() {
		var err error
		if x, err = s.engine.Explain(s.Context(), q); err != nil {
			s.Error(err)
		}
	})
	return s.explanation(&x)
}

func (s *scenario) explanation(x *Explanation) string {
	var out strings.Builder
	switch {
	case x.Session != nil:
		fmt.Fprintf(&out, "session: %v\n", x.Session.State)
	case x.OnePacket:
		fmt.Fprintf(&out, "session: none, service %s, each datagram alone\n", x.Service.Name)
	case x.Replaces:
		fmt.Fprintln(&out, "session: ends, and another begins")
	case x.Service != nil:
		fmt.Fprintf(&out, "session: none, service %s\n", x.Service.Name)
	}
	if x.RealServer.IsValid() {
		fmt.Fprintf(&out, "real server: %v", x.RealServer)
		if x.Kept {
			fmt.Fprint(&out, " by the client's template")
		}
		fmt.Fprintln(&out)
	}
	for _, by := range x.Switches {
		fmt.Fprintf(&out, "%v: %s\n", by, by.Meaning())
	}
	if x.Verdict != Taken {
		fmt.Fprintf(&out, "dropped %v\n", x.Verdict)
		if x.Answer != NoAnswer {
			fmt.Fprintf(&out, "answer: %v\n", x.Answer)
		}
		return out.String()
	}
	fmt.Fprintf(&out, "%s < %s > %s", portNames[x.PortOut], s.shown(x.From), s.shown(x.To))
	if x.Tunnel != nil {
		fmt.Fprintf(&out, " in ipip %v > %v", x.Tunnel.From, x.Tunnel.To)
	}
	fmt.Fprintf(&out, " via %v, %s, up to %d bytes\n", x.NextHop, x.Neighbour, x.MTULeft)
	return out.String()
}

// shown is end for an address that may never be used: it gets no name of its own.
func (s *scenario) shown(a netip.AddrPort) string {
	if i := slices.Index(s.local, a); i >= 0 {
		return fmt.Sprint("L", i+1)
	}
	if s.isLocal(a.Addr()) {
		return fmt.Sprintf("%v:(any)", a.Addr())
	}
	return a.String()
}
