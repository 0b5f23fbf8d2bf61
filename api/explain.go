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
	"fulcrum/control"
	"fulcrum/engine"
	"fulcrum/lvs"
	"fulcrum/packet"
)

// explainTimeout bounds how long the workers may take for an explanation.
const explainTimeout = 2 * time.Second

// Explanation is the JSON form of an engine.Explanation: what the director would do with a packet.
// Reason, Meaning and Remedy are those of a drop, and empty for a packet that would be forwarded.
type Explanation struct {
	Packet    string `json:"packet"`
	PortIn    string `json:"port_in"`
	Worker    int    `json:"worker"`
	Forwarded bool   `json:"forwarded"`
	Reason    string `json:"reason,omitempty"`
	Meaning   string `json:"meaning,omitempty"`
	Remedy    string `json:"remedy,omitempty"`
	HostClass string `json:"host_class,omitempty"` // of a packet that would go to the host
	Answer    string `json:"answer,omitempty"`     // what the sender of a dropped packet hears
	Warning   string `json:"warning,omitempty"`    // about the port: longer packets do not pass

	Service    string `json:"service,omitempty"`
	Mode       string `json:"mode,omitempty"`
	Scheduler  string `json:"scheduler,omitempty"`
	RealServer string `json:"real_server,omitempty"`
	// Pool says if others get new sessions in place of the real servers that are up.
	Pool string `json:"pool,omitempty"`
	// LeftOut are the first real servers that get no new sessions, and why; for a packet of a session
	// its own real server alone. MoreLeftOut counts the others.
	LeftOut     []string `json:"left_out,omitempty"`
	MoreLeftOut int      `json:"more_left_out,omitempty"`
	Template    bool     `json:"template,omitempty"` // the client's template names the real server
	// SlowStart says which part slow start has in the pick.
	SlowStart string `json:"slow_start,omitempty"`
	// Engine is the service's persistence engine: the packet is taken for the first of its call.
	Engine string `json:"persistence_engine,omitempty"`
	// ServerMode is that of the real server's new sessions.
	ServerMode string            `json:"real_server_mode,omitempty"`
	Session    *ExplainedSession `json:"session,omitempty"`    // nil if the packet has none
	OnePacket  bool              `json:"one_packet,omitempty"` // forwarded alone: begins no session
	Replaces   bool              `json:"replaces,omitempty"`   // ends a session and begins another
	Routed     bool              `json:"routed,omitempty"`     // without service, by route_unmatched
	Leaves     *Departure        `json:"leaves,omitempty"`     // nil if no next hop was found
	// Switches are the keys of [session] that decided.
	Switches []ExplainedSwitch `json:"switches,omitempty"`
}

// ExplainedSwitch is a key of [session], and what it decided.
type ExplainedSwitch struct {
	Key     string `json:"key"`
	Meaning string `json:"meaning"`
}

// ExplainedSession is the session that a packet belongs to.
type ExplainedSession struct {
	State       string  `json:"state"` // IPVS's name
	Mode        string  `json:"mode"`  // in which it began
	Direction   string  `json:"direction"`
	IdleSeconds float64 `json:"idle_seconds"`
	PacketsIn   uint32  `json:"packets_in"`  // modulo 2^32
	PacketsOut  uint32  `json:"packets_out"` // modulo 2^32
}

// Departure says how a packet leaves the director.
type Departure struct {
	From        string `json:"from"`
	To          string `json:"to"`
	TunnelFrom  string `json:"tunnel_from,omitempty"`
	TunnelTo    string `json:"tunnel_to,omitempty"`
	NextHop     string `json:"next_hop"`
	NextHopMAC  string `json:"next_hop_mac,omitempty"` // empty while it is unknown
	NextHopIs   string `json:"next_hop_is"`            // the neighbour's state
	Port        string `json:"port"`
	SourceMAC   string `json:"source_mac"`
	LargestSize int    `json:"largest_size"` // of the incoming IP packet that fits, in bytes
}

func (a *diagnosis) explain(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	q, err := parseQuestion(a.config, values)
	if err != nil {
		writeProblem(w, http.StatusUnprocessableEntity, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), explainTimeout)
	defer cancel()
	x, err := a.director.Explain(ctx, q)
	if err != nil {
		writeProblem(w, http.StatusServiceUnavailable, err)
		return
	}
	packet := fmt.Sprintf("%s %s -> %s", values.Get("protocol"), q.From, q.To)
	answer := newExplanation(a.config, packet, &x)
	answer.addLeftOut(a.leftOut)
	writeJSON(w, http.StatusOK, "application/json", answer)
}

// addLeftOut adds which real servers of the service get no new sessions, and why.
func (x *Explanation) addLeftOut(of func(service, server string) control.LeftOut) {
	if x.Service == "" {
		return
	}
	server := ""
	if x.Session != nil {
		server = x.RealServer
	}
	l := of(x.Service, server)
	x.LeftOut, x.MoreLeftOut = l.Servers, l.More
	if x.Session == nil {
		x.Pool = l.Pool
	}
}

// parseQuestion reads the parameters protocol, from, to, flags and port. The default of flags is S;
// port is a port's name, and by default the port that leads to from.
func parseQuestion(c *config.Config, v url.Values) (q engine.Question, err error) {
	q.Port = -1
	if err := onlyKnown(v, explainParameters); err != nil {
		return q, err
	}
	protocol, ok := lvs.ParseProtocol(v.Get("protocol"))
	if !ok {
		return q, fmt.Errorf("protocol: unknown protocol %q: write tcp, udp or sctp", v.Get("protocol"))
	}
	q.Protocol = uint8(protocol)
	if q.From, err = parseSocket(v, "from", "198.51.100.7:4242"); err != nil {
		return q, err
	}
	if q.To, err = parseSocket(v, "to", "10.0.0.100:80"); err != nil {
		return q, err
	}
	if q.From.Addr().Is4() != q.To.Addr().Is4() {
		return q, fmt.Errorf("from %s, to %s: write two addresses of one family", q.From, q.To)
	}
	flags := "S"
	if v.Has("flags") {
		flags = v.Get("flags")
	}
	if q.TCPFlags, ok = packet.ParseTCPFlags(flags); !ok {
		return q, fmt.Errorf("flags: invalid TCP flags %q: write letters of S, A, F, R and P, such as SA",
			flags)
	}
	if name := v.Get("port"); name != "" {
		q.Port = slices.IndexFunc(c.Ports, func(p config.Port) bool { return p.Name == name })
		if q.Port < 0 {
			return q, fmt.Errorf("port: unknown port %q", name)
		}
	}
	return q, nil
}

// parseSocket reads the parameter with a name: an address with a port.
func parseSocket(v url.Values, name, example string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(v.Get(name))
	if err != nil {
		return a, fmt.Errorf("%s: invalid address %q: write an address with a port, such as %s",
			name, v.Get(name), example)
	}
	return a, nil
}

func newExplanation(c *config.Config, packet string, e *engine.Explanation) Explanation {
	x := Explanation{
		Packet: packet, PortIn: c.Ports[e.Port].Name, Worker: e.Worker,
		Forwarded: e.Verdict == engine.Taken, Replaces: e.Replaces, Answer: e.Answer.String(),
		Routed: e.Routed, Template: e.Kept, OnePacket: e.OnePacket,
	}
	if e.Verdict == engine.HandedToHost {
		x.HostClass = e.Host.String()
	} else if !x.Forwarded {
		x.Reason, x.Meaning, x.Remedy = e.Verdict.String(), e.Verdict.Meaning(), e.Verdict.Remedy()
	}
	if e.Oversized > 0 {
		x.Warning = control.OversizedWarning(e.Oversized)
	}
	if s := e.Service; s != nil {
		x.Service, x.Mode, x.Scheduler = s.Name, s.Mode.String(), s.Scheduler.String()
		x.Engine = s.Engine.String()
	}
	if e.SlowStart {
		x.SlowStart = slowStartOf(e)
	}
	if e.RealServer.IsValid() {
		x.RealServer, x.ServerMode = e.RealServer.String(), e.ServerMode.String()
	}
	if s := e.Session; s != nil {
		x.Session = &ExplainedSession{
			s.State.String(), s.Mode.String(), s.Direction.String(), s.Idle.Seconds(), s.PacketsIn, s.PacketsOut,
		}
	}
	for _, by := range e.Switches {
		x.Switches = append(x.Switches, ExplainedSwitch{by.String(), by.Meaning()})
	}
	if e.NextHop.IsValid() {
		x.Leaves = newDeparture(c, e)
	}
	return x
}

// slowStartOf says which part slow start has in a pick.
func slowStartOf(e *engine.Explanation) string {
	if e.Share > 0 {
		return fmt.Sprintf("this real server gets %d %% of its share of new sessions for now",
			100/engine.FullShare*int(e.Share))
	}
	return "other real servers of the service get a part of their share for now"
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

// WriteText writes the explanation for a person to read: a label, a tab and a value on each line.
func (x *Explanation) WriteText(w io.Writer) {
	line := func(what, format string, values ...any) {
		fmt.Fprintf(w, "%s\t%s\n", what, fmt.Sprintf(format, values...))
	}
	line("packet", "%s, received at port %s", x.Packet, x.PortIn)
	line("worker", "%d", x.Worker)
	if x.Service != "" {
		line("service", "%s (%s, %s)", x.Service, x.Mode, x.Scheduler)
	}
	x.writeSession(line)
	for _, by := range x.Switches {
		line("switch", "%s: %s", by.Key, by.Meaning)
	}
	switch {
	case x.Template:
		line("real server", "%s%s, by the client's persistence template", x.RealServer, x.ownMode())
	case x.RealServer != "" && x.Engine != "" && x.Session == nil:
		line("real server", "%s%s, for the first message of a call", x.RealServer, x.ownMode())
		line("", "later ones go by the template of their Call-ID (%s); without one, no_call_id", x.Engine)
	case x.RealServer != "":
		line("real server", "%s%s", x.RealServer, x.ownMode())
	}
	x.writeLeftOut(line)
	if x.SlowStart != "" {
		line("slow start", "%s", x.SlowStart)
	}
	if d := x.Leaves; d != nil {
		d.write(line)
	}
	switch {
	case x.Forwarded:
		line("verdict", "forwarded")
	case x.HostClass != "":
		line("verdict", "to the host, in class %s", x.HostClass)
	default:
		line("verdict", "dropped, %s: %s", x.Reason, x.Meaning)
		line("", "%s", x.Remedy)
	}
	if x.Answer != "" {
		line("answer", "%s", x.Answer)
	}
	if x.Warning != "" {
		line("warning", "port %s: %s", x.PortIn, x.Warning)
	}
}

// ownMode says which mode the packet goes by, and why, if it is not the service's.
func (x *Explanation) ownMode() string {
	switch s := x.Session; {
	case s != nil && s.Mode != x.ServerMode:
		return fmt.Sprintf(" (%s, in which the session began; new ones %s)", s.Mode, x.ServerMode)
	case x.ServerMode != x.Mode:
		return fmt.Sprintf(" (%s, its own mode)", x.ServerMode)
	}
	return ""
}

// writeLeftOut says which real servers get no new sessions, one a line.
func (x *Explanation) writeLeftOut(line func(string, string, ...any)) {
	if x.Pool != "" {
		line("pool", "%s", x.Pool)
	}
	label := "left out"
	for _, text := range x.LeftOut {
		line(label, "%s", text)
		label = ""
	}
	if x.MoreLeftOut > 0 {
		line(label, "and %d more", x.MoreLeftOut)
	}
}

func (x *Explanation) writeSession(line func(string, string, ...any)) {
	switch s := x.Session; {
	case s != nil:
		line("session", "%s, %s, idle for %.1f s, %d packets in, %d out",
			s.State, s.Direction, s.IdleSeconds, s.PacketsIn, s.PacketsOut)
	case x.OnePacket:
		line("session", "none; every datagram is scheduled on its own (one_packet)")
	case x.Replaces:
		line("session", "new; replaces a session that has ended")
	case x.RealServer != "":
		line("session", "new")
	case x.Routed:
		line("session", "none; routed for a nat real server (route_unmatched)")
	}
}

func (d *Departure) write(line func(string, string, ...any)) {
	line("leaves as", "%s -> %s", d.From, d.To)
	if d.TunnelTo != "" {
		line("tunnel", "%s -> %s", d.TunnelFrom, d.TunnelTo)
	}
	mac := ""
	if d.NextHopMAC != "" {
		mac = " at " + d.NextHopMAC
	}
	line("next hop", "%s%s, %s", d.NextHop, mac, d.NextHopIs)
	line("sent from", "port %s, MAC %s, packets up to %d bytes", d.Port, d.SourceMAC, d.LargestSize)
}
