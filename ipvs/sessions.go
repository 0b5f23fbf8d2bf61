package ipvs

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"fulcrum/engine"
	"fulcrum/lvs"
)

// sessionTitle is the first line of /proc/net/ip_vs_conn (ip_vs_conn_seq_show).
const sessionTitle = "" +
	"Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"

// mostText bounds the text of one message, so that a datagram has room for it.
const mostText = mostDatagram - headerLen - genlLen - 4

// listing sends lines in messages of SessionFamily, several a message.
type listing struct {
	*answers
	text []byte
}

// listSessions lists templates and sessions as the kernel does, in pieces for which no worker
// waits.
func (t *Table) listSessions(ctx context.Context, a *answers) error {
	l := &listing{answers: a, text: []byte(sessionTitle)}
	err := t.engine.Templates(ctx, 0, func(e *engine.TemplateInfo, _ uint32) bool {
		return l.line(templateLine(e))
	})
	if err == nil {
		err = t.engine.Sessions(ctx, 0, func(s *engine.SessionInfo, _ engine.Cursor) bool {
			return l.line(sessionLine(s))
		})
	}
	if err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	l.end()
	a.done()
	return nil
}

// line adds a line, and reports whether more are wanted.
func (l *listing) line(text string) bool {
	if len(l.text)+len(text) > mostText {
		l.end()
	}
	l.text = append(l.text, text...)
	return l.err == nil
}

func (l *listing) end() {
	l.part(SessionFamily, generic(sessionsDump, l.text))
	l.flush()
	l.text = l.text[:0]
}

func sessionLine(s *engine.SessionInfo) string {
	protocol := lvs.Protocol(s.Protocol)
	return connection(protocol.String(), s.Client, s.VIP, s.RealServer, s.State.Kernel(),
		int(s.Left.Seconds()), "")
}

// templateStates are the kernel's names of a template's states, by whether it is confirmed
// (ip_vs_ctpl_state_name_table in ip_vs_proto.c).
var templateStates = map[bool]string{false: "NONE", true: "ASSURED"}

// templateLine is the line of a template: its client is the network, with port 0. Of one with a
// SIP call it has what stands for the Call-ID.
func templateLine(e *engine.TemplateInfo) string {
	call, protocol, vip := "", "IP", netip.AddrPort{}
	if e.Call != 0 {
		call = fmt.Sprintf(" %s %016x", lvs.EngineSIP, e.Call)
	}
	if e.Of.Mark == 0 {
		protocol, vip = e.Protocol.String(), e.Of.Address
	} else {
		vip = markAddress(e.Of)
	}
	return connection(protocol, netip.AddrPortFrom(e.Clients.Addr(), 0), vip, e.RealServer,
		templateStates[e.Confirmed], int(e.Left.Seconds()), call)
}

// markAddress returns the address of a mark's templates: the mark in the first four bytes of an
// address, with port 0, as in the kernel (ip_vs_sched_persist).
func markAddress(of lvs.ServiceID) netip.AddrPort {
	var a rawAddress
	binary.BigEndian.PutUint32(a[:], of.Mark)
	return netip.AddrPortFrom(a.of(familyOf(of.Address.Addr())), 0)
}

// connection returns one line of /proc/net/ip_vs_conn.
func connection(
	protocol string, client, vip, server netip.AddrPort, state string, left int, engine string,
) string {
	return fmt.Sprintf("%-3s %s %04X %s %04X %s %04X %-11s %7d%s\n", strings.ToUpper(protocol),
		hex(client.Addr()), client.Port(), hex(vip.Addr()), vip.Port(),
		hex(server.Addr()), server.Port(), state, left, engine)
}

// hex returns an address as eight digits, or in IPv6's form without abbreviations.
func hex(a netip.Addr) string {
	if a = a.Unmap(); a.Is4() {
		return fmt.Sprintf("%08X", a.AsSlice())
	}
	return a.StringExpanded()
}
