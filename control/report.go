package control

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/lvs"
)

// Report contains a director's counters since its start; those of the processes before too, if
// sessions are kept. They are packets unless a comment says otherwise.
//
// Received + Originated + FromHost = Transmitted + Consumed + ToHost + the sum of Drops + Held.
type Report struct {
	Received    uint64            `json:"received"`
	Originated  uint64            `json:"originated"` // created by the director: ARP, ND, ICMP
	Transmitted uint64            `json:"transmitted"`
	Consumed    uint64            `json:"consumed"` // to the director itself: ARP, ND, echo requests
	ToHost      uint64            `json:"to_host"`  // given to the host through a host interface
	FromHost    uint64            `json:"from_host"`
	Held        uint64            `json:"held"`  // that wait now for a neighbour or a device
	Drops       map[string]uint64 `json:"drops"` // by reason; only reasons that occurred
	// Evicted counts half-open sessions evicted from a full table, Dropped those of all kinds that
	// drop_entry has ended.
	Evicted    uint64          `json:"evicted"`
	Dropped    uint64          `json:"dropped_entries"`
	Resets     uint64          `json:"resets"` // answers to packets of no session
	Suppressed uint64          `json:"resets_suppressed"`
	Routed     uint64          `json:"routed"` // routed without a session (route_unmatched)
	Ports      []PortReport    `json:"ports"`
	Services   []ServiceReport `json:"services"`
	Workers    []WorkerReport  `json:"workers"`
	// LocalAddresses are those of all services, and those that only old sessions still use.
	LocalAddresses []LocalAddressReport `json:"local_addresses"`
	// Unlimited counts sessions that began without the limits of their source, whose set of the
	// table was full, and Forgotten sources that gave way before their tokens were back.
	Unlimited uint64         `json:"unlimited"`
	Forgotten uint64         `json:"sources_forgotten"`
	Templates TemplateReport `json:"templates"`
	// HostClasses are what went to the host; absent if no port has a host interface.
	HostClasses []HostClassReport `json:"host_classes,omitempty"`
	Pauses      Pauses            `json:"pauses"`
	// Hosts are the host interfaces, in the order of their ports.
	Hosts []HostReport `json:"hosts"`
	// Kept is what became of the sessions of the process before; absent without session.keep.
	Kept *KeptReport `json:"kept,omitempty"`

	drops []drop // in the order in which a packet meets them
}

// TemplateReport counts the templates of persistent services.
type TemplateReport struct {
	InUse   int    `json:"in_use"`
	Limit   int    `json:"limit"`   // session.templates
	Evicted uint64 `json:"evicted"` // not confirmed, and gave way to new ones in a full table
	Refused uint64 `json:"refused"` // sessions without a template, because the table was full
	Dropped uint64 `json:"dropped"` // not confirmed and without sessions, ended by drop_entry
}

// HostClassReport counts the packets to the host in a class.
type HostClassReport struct {
	Class   string `json:"class"`
	ToHost  uint64 `json:"to_host"`
	Copies  uint64 `json:"copies"`  // of consumed packets
	Limited uint64 `json:"limited"` // beyond the class's rate, copies too
	Full    uint64 `json:"full"`    // the host did not keep up, copies too
}

// Drop is a reason why packets were dropped.
type Drop struct {
	Reason  string `json:"reason"` // as in Report.Drops
	Packets uint64 `json:"packets"`
	Meaning string `json:"meaning"`
	Remedy  string `json:"remedy"`
}

type drop struct {
	reason, meaning, remedy string
	packets                 uint64
}

// PortReport contains a port's packet counters. Missed, NoBuffer, RxErrors and TxErrors are the
// device's own: they count packets that never reached the director, or that did not leave after the
// director transmitted them.
type PortReport struct {
	Name        string `json:"name"`
	Received    uint64 `json:"received"`
	Transmitted uint64 `json:"transmitted"`
	Missed      uint64 `json:"missed"`    // the device's queues were full
	NoBuffer    uint64 `json:"no_buffer"` // the device had no buffer
	RxErrors    uint64 `json:"rx_errors"`
	TxErrors    uint64 `json:"tx_errors"`
	// Conflicts counts messages by which other stations claimed an address of the director.
	Conflicts uint64 `json:"address_conflicts"`
	// PartialChecksums counts packets whose checksum the director completed. Oversized counts
	// packets longer than the MTU. Their senders leave the work to a network card.
	PartialChecksums uint64 `json:"partial_checksums"`
	Oversized        uint64 `json:"oversized"`
	Up               bool   `json:"link_up"`        // the link carries packets
	Gone             bool   `json:"interface_gone"` // the kernel's interface was deleted
	MTU              int    `json:"mtu"`            // the port's own, in bytes
	// InterfaceMTU is that of the kernel's interface, in bytes; 0 without one.
	InterfaceMTU int `json:"interface_mtu"`
	// Guarded means that the director's packets are hidden from the kernel, Hidden counts them.
	Guarded bool   `json:"guarded"`
	Hidden  uint64 `json:"guard_hidden"`
	// KernelAnswers say why the kernel answers packets of the director too.
	KernelAnswers []string `json:"kernel_answers,omitempty"`
	// Host is the port's host interface; absent without one.
	Host *HostInterface `json:"host,omitempty"`
	// Renamed is the present name of the kernel's interface if it was renamed, or "".
	Renamed string `json:"interface_renamed,omitempty"`
}

// WorkerReport contains a worker's counters. A packet is handed over to the worker that has its
// session.
type WorkerReport struct {
	CPU         int      `json:"cpu"`
	Received    uint64   `json:"received"`
	Transmitted uint64   `json:"transmitted"`
	Sessions    int      `json:"sessions"`    // in its table now
	TakenOver   uint64   `json:"taken_over"`  // packets from other workers
	HandedOver  []uint64 `json:"handed_over"` // packets to each worker, in the order of workers
	BusyMs      int64    `json:"busy_ms"`     // time in turns that received packets
	// TurnTimes is the distribution of the turns' durations, the shortest first.
	TurnTimes     []TurnCount `json:"turn_times"`
	LongestTurnUs int64       `json:"longest_turn_us"` // microseconds, since the start
	// Defences are those that are active: "drop_entry", "drop_packet" and "secure_tcp".
	Defences []string `json:"defences"`
}

// Traffic counts sessions and packets. Bytes are those of IP packets. In is from the client to the
// real server, Out the other way.
type Traffic struct {
	Connections uint64 `json:"connections"` // sessions begun
	InPackets   uint64 `json:"in_packets"`
	InBytes     uint64 `json:"in_bytes"`
	OutPackets  uint64 `json:"out_packets"`
	OutBytes    uint64 `json:"out_bytes"`
}

// ServiceReport contains a service's settings and counters.
type ServiceReport struct {
	Name           string   `json:"name"`
	Address        string   `json:"address"`             // the first match, or the mark
	Addresses      []string `json:"addresses,omitempty"` // of a service with several, or with ranges
	Mark           uint32   `json:"mark,omitempty"`
	Protocol       string   `json:"protocol"` // "any" for a mark
	Mode           string   `json:"mode"`
	Scheduler      string   `json:"scheduler"`
	SchedulerFlags []string `json:"scheduler_flags,omitempty"`
	// PersistenceSeconds is how long clients stay with their real servers; 0 is not at all.
	// PersistenceMask is the prefix length of the networks whose clients stay together.
	PersistenceSeconds float64 `json:"persistence_seconds,omitempty"`
	PersistenceMask    int     `json:"persistence_mask,omitempty"`
	// PersistenceEngine is "sip", or empty.
	PersistenceEngine string `json:"persistence_engine,omitempty"`
	// OnePacket: every datagram is scheduled on its own, and no session is kept.
	OnePacket bool `json:"one_packet,omitempty"`
	Announce  bool `json:"announce"`  // the service wants its VIP announced
	Announced bool `json:"announced"` // the VIP is; else packets to it are forwarded only
	// VIPOwner is "host" if host interfaces hold the VIPs. Held are those that one of them holds now.
	VIPOwner string   `json:"vip_owner"`
	Held     []string `json:"held_vips,omitempty"`
	Traffic
	// Pool is nil without checks and sorry servers.
	Pool        *PoolReport        `json:"pool,omitempty"`
	RealServers []RealServerReport `json:"real_servers"`
	// Gone are the removed real servers that still have sessions.
	Gone []RealServerReport `json:"gone,omitempty"`
}

// RealServerReport contains a real server's weight and counters.
type RealServerReport struct {
	Address string `json:"address"`
	Mode    string `json:"mode"` // of new sessions; empty for one that is gone
	Weight  int32  `json:"weight"`
	// State is the first of these that holds; see docs/control.md.
	State    string `json:"state" enum:"gone,down,no_neighbour,draining,standby,syns_unanswered,overloaded,slow_start,up"`
	Active   int32  `json:"active"`   // established sessions
	Inactive int32  `json:"inactive"` // sessions that begin or end, and all UDP sessions
	// Established are the sessions that a drain waits for: Active, or all UDP sessions. Closing are
	// the others.
	Established int `json:"established"`
	Closing     int `json:"closing"`
	// SYNsUnanswered counts the sessions that ended without an answer to their SYN, or to their SCTP
	// INIT; only in nat and fullnat.
	SYNsUnanswered uint64 `json:"syns_unanswered"`
	// SlowStartPercent is what it gets of its share of the new sessions while it is in slow start.
	SlowStartPercent int `json:"slow_start_percent,omitempty"`
	// Templates is how many networks of clients stay with it.
	Templates int `json:"templates"`
	// Why is the reason why it is down; empty if it is not.
	Why string `json:"why,omitempty"`
	// Health is what its checks say; nil without checks.
	Health *CheckReport `json:"health,omitempty"`
	// Passive is what its clients' sessions say; nil unless they are asked.
	Passive *PassiveReport `json:"passive,omitempty"`
	Traffic
	LocalPorts []LocalUse `json:"local_ports,omitempty"` // by local address; only in fullnat
}

// NewReport returns the engine's counters with the names of the configuration.
func NewReport(c *config.Config, e engine.Report) Report {
	r := Report{
		Received: e.Received, Originated: e.Originated,
		Transmitted: e.Transmitted, Consumed: e.Consumed, Held: e.Held,
		ToHost: e.ToHost, FromHost: e.FromHost,
		Drops: map[string]uint64{}, Evicted: e.Evicted, Dropped: e.DroppedEntries,
		Routed: e.Routed, Pauses: readPauses(),
		Templates: TemplateReport{
			e.Templates.Templates, e.Templates.Max, e.Templates.GaveWay, e.Templates.Refused,
			e.Templates.Dropped,
		},
		Unlimited: e.Unlimited, Forgotten: e.SourcesForgotten,
		Resets: e.Resets, Suppressed: e.ResetsSuppressed,
		LocalAddresses: newLocalAddresses(e.LocalAddresses),
		Services:       []ServiceReport{}, // JSON shows an empty list, not null
		Hosts:          []HostReport{},
		Kept:           newKeptReport(e.Kept),
	}
	for v := range engine.NumVerdicts {
		if n := e.Drops[v]; n > 0 {
			r.Drops[v.String()] = n
			r.drops = append(r.drops, drop{v.String(), v.Meaning(), v.Remedy(), n})
		}
	}
	for i, h := range e.Host {
		r.HostClasses = append(r.HostClasses, HostClassReport{
			engine.HostClass(i).String(), h.Handed, h.Copied, h.Limited, h.Full,
		})
	}
	for i, p := range e.Ports {
		r.Ports = append(r.Ports, PortReport{
			Name: c.Ports[i].Name, Received: p.Received, Transmitted: p.Transmitted,
			Missed: p.Device.RxMissed, NoBuffer: p.Device.RxNoBuffer,
			RxErrors: p.Device.RxErrors, TxErrors: p.Device.TxErrors, Conflicts: p.Conflicts,
			PartialChecksums: p.PartialChecksums, Oversized: p.Oversized, Up: p.Link.Up,
			Gone: p.Link.Gone, MTU: p.MTU, InterfaceMTU: p.Link.MTU, Renamed: p.Link.Renamed,
		})
	}
	for _, w := range e.Workers {
		r.Workers = append(r.Workers, WorkerReport{
			w.CPU, w.Received, w.Transmitted, w.Sessions, w.TakenOver, w.HandedTo,
			w.Busy.Milliseconds(), newTurnCounts(w.Times), w.Times.Longest.Microseconds(),
			activeDefences(w.Defences),
		})
	}
	for _, s := range e.Services {
		r.Services = append(r.Services, newServiceReport(s))
	}
	return r
}

// newServiceReport takes the names from the engine, whose services may be newer than the
// configuration.
func newServiceReport(e engine.ServiceReport) ServiceReport {
	s := ServiceReport{
		Name: e.Service.Name, Address: e.Service.ID().Destination(),
		Addresses: destinations(e.Service.Matches), Mark: e.Service.Mark,
		Protocol: e.Service.ID().ProtocolName(), Mode: e.Service.Mode.String(),
		Scheduler:      e.Service.Scheduler.String(),
		SchedulerFlags: e.Service.Scheduler.FlagNames(e.Service.SchedulerFlags),
		Announce:       !e.Service.Silent, Announced: e.Announced,
		VIPOwner: config.OwnedByDirector.String(),
		Traffic:  Traffic(e.Traffic), RealServers: []RealServerReport{},
	}
	if e.Service.Persistence != 0 {
		s.PersistenceSeconds = e.Service.Persistence.Seconds()
		s.PersistenceMask = e.Service.PersistenceMask
		s.PersistenceEngine = e.Service.PersistenceEngine.String()
	}
	s.OnePacket = e.Service.OnePacket
	for i := range e.RealServers {
		rs := &e.RealServers[i]
		s.RealServers = append(s.RealServers, newServerReport(e.Service.Protocol, rs, stateOf(rs)))
	}
	for i := range e.Gone {
		s.Gone = append(s.Gone, newServerReport(e.Service.Protocol, &e.Gone[i], lvs.ServerGone))
	}
	return s
}

// VIPs counts the VIPs, and those among them that the director does not announce.
func (r *Report) VIPs() (all, passive int) {
	seen := map[string]bool{}
	for i := range r.Services {
		s := &r.Services[i]
		if vip := s.VIP(); !seen[vip] {
			seen[vip] = true
			if all++; !s.Announced {
				passive++
			}
		}
	}
	return all, passive
}

// VIP returns the service's address without its port.
func (s *ServiceReport) VIP() string {
	if i := strings.LastIndexByte(s.Address, ':'); i >= 0 {
		return s.Address[:i]
	}
	return s.Address
}

// destinations returns matches in the notation of a file, with their protocols if they differ.
func destinations(all []lvs.Match) (texts []string) {
	one := !slices.ContainsFunc(all, func(m lvs.Match) bool { return m.Protocol != all[0].Protocol })
	for _, m := range all {
		text := m.String()
		if one {
			text = m.Destination()
		}
		texts = append(texts, text)
	}
	return texts
}

// DropList returns the reasons that occurred, in the order in which a packet meets them.
func (r *Report) DropList() []Drop {
	list := []Drop{}
	for _, d := range r.drops {
		list = append(list, Drop{d.reason, d.packets, d.meaning, d.remedy})
	}
	return list
}

// WriteTable writes the report as tables for a person to read.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "port\treceived\ttransmitted\tmissed\tno buffer\trx errors\ttx errors\t\n")
	for _, p := range r.Ports {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n",
			p.Name, p.Received, p.Transmitted, p.Missed, p.NoBuffer, p.RxErrors, p.TxErrors)
	}
	fmt.Fprint(t, "\nservice\tconnections\tin packets\tin bytes\tout packets\tout bytes\t\n")
	for _, s := range r.Services {
		s.write(t)
	}
	r.writeHost(t)
	r.writeWorkers(t)
	if err := t.Flush(); err != nil {
		return err
	}
	return r.writeAccount(w)
}

func (s *ServiceReport) write(t io.Writer) {
	row := func(name string, c Traffic) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t\n",
			name, c.Connections, c.InPackets, c.InBytes, c.OutPackets, c.OutBytes)
	}
	row(fmt.Sprintf("%s %s %s %s", s.Name, s.Protocol, s.Address, s.Mode), s.Traffic)
	for _, rs := range s.RealServers {
		row(rs.Address, rs.Traffic)
	}
}

// writeHost writes a row for each class of what goes to the host, if any port has a host interface.
func (r *Report) writeHost(t io.Writer) {
	if r.HostClasses == nil {
		return
	}
	fmt.Fprint(t, "\nto the host\tpackets\tcopies\tlimited\tfull\t\n")
	for _, c := range r.HostClasses {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t\n", c.Class, c.ToHost, c.Copies, c.Limited, c.Full)
	}
}

// writeWorkers writes a row for each worker if there are several.
func (r *Report) writeWorkers(t io.Writer) {
	if len(r.Workers) < 2 {
		return
	}
	fmt.Fprint(t, "\nworker\tCPU\treceived\ttransmitted\ttaken over\thanded over\t\n")
	for i, w := range r.Workers {
		var handed uint64
		for _, n := range w.HandedOver {
			handed += n
		}
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t%d\t\n",
			i, w.CPU, w.Received, w.Transmitted, w.TakenOver, handed)
	}
}

// writeLaw writes the conservation law with its numbers.
func (r *Report) writeLaw(w io.Writer) {
	from, to := "", ""
	if r.HostClasses != nil {
		from, to = fmt.Sprintf(" + from host %d", r.FromHost), fmt.Sprintf(" + to host %d", r.ToHost)
	}
	const law = "\nreceived %d + originated %d%s = transmitted %d + consumed %d%s + dropped %d + held %d\n"
	fmt.Fprintf(w, law, r.Received, r.Originated, from, r.Transmitted, r.Consumed, to, r.dropped(),
		r.Held)
}

// writeAccount writes the conservation law, and the drops by reason.
func (r *Report) writeAccount(w io.Writer) error {
	r.writeLaw(w)
	if n := r.Templates.Refused; n > 0 {
		fmt.Fprintf(w, "%d sessions without a template, because their table was full\n", n)
	}
	if r.Evicted > 0 {
		fmt.Fprintf(w, "%d half-open sessions evicted from a full table\n", r.Evicted)
	}
	if r.Dropped > 0 {
		fmt.Fprintf(w, "%d half-open and silent sessions ended by drop_entry\n", r.Dropped)
	}
	if r.Unlimited > 0 {
		fmt.Fprintf(w, "%d sessions without the limits of their source, because its set was full\n",
			r.Unlimited)
	}
	if r.Resets > 0 || r.Suppressed > 0 {
		fmt.Fprintf(w, "%d packets of no session answered, %d not because of the limits\n",
			r.Resets, r.Suppressed)
	}
	if r.Routed > 0 {
		fmt.Fprintf(w, "%d packets of nat real servers routed without a session\n", r.Routed)
	}
	if r.Pauses.Count > 0 {
		fmt.Fprintf(w, "%d pauses for garbage collection, the longest %.0f µs\n",
			r.Pauses.Count, r.Pauses.LongestUs)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range r.drops {
		fmt.Fprintf(t, "  %d\t%s\t%s\n", d.packets, d.reason, d.meaning)
	}
	return t.Flush()
}

func (r *Report) dropped() uint64 {
	var n uint64
	for _, d := range r.drops {
		n += d.packets
	}
	return n
}
