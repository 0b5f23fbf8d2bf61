package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/lvs"
	"fulcrum/packet"
)

// explainPatience is how long the workers may take for an explanation.
const explainPatience = 2 * time.Second

// Explanation is what would become of a packet, as JSON has it.
type Explanation struct {
	Packet    string `json:"packet"`
	PortIn    string `json:"port_in"`
	Worker    int    `json:"worker"`
	Forwarded bool   `json:"forwarded"`
	Reason    string `json:"reason,omitempty"` // why it is dropped, with its meaning and what to do about it
	Meaning   string `json:"meaning,omitempty"`
	Remedy    string `json:"remedy,omitempty"`

	Service    string            `json:"service,omitempty"`
	Mode       string            `json:"mode,omitempty"`
	Scheduler  string            `json:"scheduler,omitempty"`
	RealServer string            `json:"real_server,omitempty"`
	Session    *ExplainedSession `json:"session,omitempty"`  // none for a packet that would begin one
	Replaces   bool              `json:"replaces,omitempty"` // the packet ends a session and begins another
	Leaves     *Departure        `json:"leaves,omitempty"`
}

// ExplainedSession is the session that a packet belongs to.
type ExplainedSession struct {
	State       string  `json:"state"`
	Direction   string  `json:"direction"`
	IdleSeconds float64 `json:"idle_seconds"`
	PacketsIn   uint32  `json:"packets_in"`
	PacketsOut  uint32  `json:"packets_out"`
}

// Departure is how a packet leaves.
type Departure struct {
	From        string `json:"from"`
	To          string `json:"to"`
	TunnelFrom  string `json:"tunnel_from,omitempty"`
	TunnelTo    string `json:"tunnel_to,omitempty"`
	NextHop     string `json:"next_hop"`
	NextHopMAC  string `json:"next_hop_mac,omitempty"` // none while it is unknown
	NextHopIs   string `json:"next_hop_is"`
	Port        string `json:"port"`
	SourceMAC   string `json:"source_mac"`
	LargestSize int    `json:"largest_size"` // of the packet as it comes in, in bytes of IP
}

func (a *diagnosis) explain(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	q, err := parseQuestion(a.config, values)
	if err != nil {
		writeProblem(w, http.StatusUnprocessableEntity, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), explainPatience)
	defer cancel()
	x, err := a.director.Explain(ctx, q)
	if err != nil {
		writeProblem(w, http.StatusServiceUnavailable, err)
		return
	}
	packet := fmt.Sprintf("%s %s -> %s", values.Get("protocol"), q.From, q.To)
	writeJSON(w, http.StatusOK, "application/json", newExplanation(a.config, packet, &x))
}

// parseQuestion reads protocol, from, to, flags (of TCP, S unless given) and port (a name, the one that leads to from unless
// given).
func parseQuestion(c *config.Config, v url.Values) (q engine.Question, err error) {
	q.Port = -1
	if err := onlyKnown(v, explainParameters); err != nil {
		return q, err
	}
	protocol, ok := lvs.ParseProtocol(v.Get("protocol"))
	if !ok {
		return q, fmt.Errorf("protocol: %q is none that services have; write tcp, udp or sctp", v.Get("protocol"))
	}
	q.Protocol = uint8(protocol)
	if q.From, err = netip.ParseAddrPort(v.Get("from")); err != nil {
		return q, fmt.Errorf("from: %q is no address with a port, such as 198.51.100.7:4242", v.Get("from"))
	}
	if q.To, err = netip.ParseAddrPort(v.Get("to")); err != nil {
		return q, fmt.Errorf("to: %q is no address with a port, such as 10.0.0.100:80", v.Get("to"))
	}
	if q.From.Addr().Is4() != q.To.Addr().Is4() {
		return q, fmt.Errorf("from %s, to %s: a packet has two addresses of one family", q.From, q.To)
	}
	flags := "S"
	if v.Has("flags") {
		flags = v.Get("flags")
	}
	if q.TCPFlags, ok = packet.ParseTCPFlags(flags); !ok {
		return q, fmt.Errorf("flags: %q has a letter that is none of TCP's; write S, A, F, R and P, as in SA", flags)
	}
	if name := v.Get("port"); name != "" {
		q.Port = slices.IndexFunc(c.Ports, func(p config.Port) bool { return p.Name == name })
		if q.Port < 0 {
			return q, fmt.Errorf("port: there is no %q", name)
		}
	}
	return q, nil
}

func newExplanation(c *config.Config, packet string, e *engine.Explanation) Explanation {
	x := Explanation{Packet: packet, PortIn: c.Ports[e.Port].Name, Worker: e.Worker, Forwarded: e.Verdict == engine.Taken, Replaces: e.Replaces}
	if !x.Forwarded {
		x.Reason, x.Meaning, x.Remedy = e.Verdict.String(), e.Verdict.Meaning(), e.Verdict.Remedy()
	}
	if s := e.Service; s != nil {
		x.Service, x.Mode, x.Scheduler = s.Name, s.Mode.String(), s.Scheduler.String()
	}
	if e.RealServer.IsValid() {
		x.RealServer = e.RealServer.String()
	}
	if s := e.Session; s != nil {
		x.Session = &ExplainedSession{s.State.String(), s.Direction.String(), s.Idle.Seconds(), s.PacketsIn, s.PacketsOut}
	}
	if e.NextHop.IsValid() {
		x.Leaves = newDeparture(c, e)
	}
	return x
}

func newDeparture(c *config.Config, e *engine.Explanation) *Departure {
	d := &Departure{
		From: e.From.String(), To: e.To.String(), NextHop: e.NextHop.String(), NextHopIs: e.Neighbour,
		Port: c.Ports[e.PortOut].Name, SourceMAC: e.SourceMAC.String(), LargestSize: e.MTULeft,
	}
	if !e.MAC.IsZero() {
		d.NextHopMAC = e.MAC.String()
	}
	if e.Tunnel != nil {
		d.TunnelFrom, d.TunnelTo = e.Tunnel.From.String(), e.Tunnel.To.String()
	}
	return d
}

// WriteText writes the explanation for people, as lines of two columns with a tab between them.
func (x *Explanation) WriteText(w io.Writer) {
	line := func(what, format string, values ...any) {
		fmt.Fprintf(w, "%s\t%s\n", what, fmt.Sprintf(format, values...))
	}
	line("packet", "%s, in at port %s", x.Packet, x.PortIn)
	line("worker", "%d", x.Worker)
	if x.Service != "" {
		line("service", "%s (%s, %s)", x.Service, x.Mode, x.Scheduler)
	}
	x.writeSession(line)
	if x.RealServer != "" {
		line("real server", "%s", x.RealServer)
	}
	if d := x.Leaves; d != nil {
		d.write(line)
	}
	if x.Forwarded {
		line("verdict", "forwarded")
	} else {
		line("verdict", "dropped, %s: %s", x.Reason, x.Meaning)
		line("", "%s", x.Remedy)
	}
}

func (x *Explanation) writeSession(line func(string, string, ...any)) {
	switch s := x.Session; {
	case s != nil:
		line("session", "%s, %s, idle for %.1f s, %d packets in, %d out", s.State, s.Direction, s.IdleSeconds, s.PacketsIn, s.PacketsOut)
	case x.Replaces:
		line("session", "one that has ended; this packet begins another")
	case x.RealServer != "":
		line("session", "none; this packet begins one")
	}
}

func (d *Departure) write(line func(string, string, ...any)) {
	line("leaves as", "%s -> %s", d.From, d.To)
	if d.TunnelTo != "" {
		line("inside", "%s -> %s", d.TunnelFrom, d.TunnelTo)
	}
	mac := ""
	if d.NextHopMAC != "" {
		mac = " at " + d.NextHopMAC
	}
	line("next hop", "%s%s, %s", d.NextHop, mac, d.NextHopIs)
	line("out at", "port %s, from %s, up to %d bytes", d.Port, d.SourceMAC, d.LargestSize)
}
