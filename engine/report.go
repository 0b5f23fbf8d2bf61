package engine

import (
	"net/netip"
	"slices"
	"time"

	"fulcrum/lvs"
	"fulcrum/persist"
	"fulcrum/ports"
)

// Report is what the director has done so far, summed over its workers; with Config.Keep in the
// processes before too. Workers publish their counts every 10 ms, so that a report may lag by as
// much.
type Report struct {
	Totals
	Ports    []PortReport // in the order of the configuration
	Services []ServiceReport
	Workers  []WorkerReport
	Sessions int // of all real servers
	// Templates are those of persistent services.
	Templates TemplateStats
	// LocalAddresses are those of all services, sorted.
	LocalAddresses []LocalAddressReport
	// Host is what went to the host, by class; nil if no port has a host interface.
	Host []HostTotals
	// Kept is what became of the sessions of the process before; nil unless sessions are kept.
	Kept *KeptReport
}

// TemplateStats are figures of the table of templates.
type TemplateStats = persist.Stats

// WorkerReport is a worker's part of a Report.
type WorkerReport struct {
	CPU int
	Totals
	Sessions int
	HandedTo []uint64 // packets handed over, by receiving worker
	Turns    uint64
	Busy     time.Duration // in turns that brought packets
	Times    TurnTimes
	// NeighbourFailures counts next hops that were given up because they did not answer.
	NeighbourFailures uint64
	// RefusedMoves counts claims of other MACs for a neighbour that still answered.
	RefusedMoves uint64
	Defences     ActiveDefences
}

// PortReport is a port's part of a Report.
type PortReport struct {
	PortTotals
	Device ports.Stats // the device's own counters; zero if it has none
	Link   ports.Link
	MTU    int // largest IP packet that the director sends and receives at the port, in bytes
}

// ServiceReport is a service's part of a Report.
type ServiceReport struct {
	Service   Service
	Announced bool // the director announces the VIP; otherwise it is passive
	Traffic
	Inherited   Traffic // the part of Traffic that processes before have counted; see Config.Keep
	RealServers []RealServerReport
	// Gone are the removed real servers that have sessions left, sorted. Their weight is 0.
	Gone []RealServerReport
}

// RealServerReport is a real server's part of a Report.
type RealServerReport struct {
	Address          netip.AddrPort
	Mode             lvs.Mode // of new sessions; NoMode for one that is gone
	Weight           int32
	Active, Inactive int32
	Overloaded       bool  // it has reached its upper threshold, and gets no new sessions
	Share            uint8 // in slow start: tenths of its share of the new sessions; otherwise 0
	Down, Standby    bool  // it gets no new sessions; of those, it is not needed
	ServerSigns
	Templates int // that send clients to it
	Traffic
	Inherited Traffic    // as in ServiceReport
	Locals    []LocalUse // in the order of the configuration; none in modes without local addresses
}

// Report sums up what the workers have published. Any goroutine may call it at any time.
func (e *Engine) Report() Report {
	r := Report{Ports: make([]PortReport, len(e.cfg.Ports))}
	for i, p := range e.cfg.Ports {
		r.Ports[i].Device, _ = p.Stats() // a device without counters has nothing to report
		r.Ports[i].Link, r.Ports[i].MTU = p.Link(), p.MTU()
	}
	for _, w := range e.workers {
		r.Workers = append(r.Workers, w.report())
		w.published.addTotals(&r.Totals)
		for i := range r.Ports {
			w.published.addPort(i, &r.Ports[i].PortTotals)
		}
	}
	r.settle()
	r.Host = e.hostTotals()
	snap := e.snap.Load()
	for _, s := range snap.order {
		if service, ok := e.reportService(s.live); ok {
			service.Announced = snap.announces(s.first)
			r.Services = append(r.Services, service)
		}
	}
	r.LocalAddresses = e.localAddresses()
	r.Templates = e.templateStats()
	r.Kept = e.Kept()
	for _, s := range snap.servers {
		r.Sessions += int(s.load.Total())
	}
	e.keepCounters()
	return r
}

// PortTotals returns what the workers have published for a port, given by its index. Any goroutine
// may call it.
func (e *Engine) PortTotals(port int) PortTotals {
	t := e.portTotals(port)
	e.keepTotals()
	return t
}

func (e *Engine) portTotals(port int) (t PortTotals) {
	for _, w := range e.workers {
		w.published.addPort(port, &t)
	}
	return t
}

// settle removes hand-offs between workers from the totals: packets between two workers count as
// held.
func (t *Totals) settle() {
	// The workers' counts are read one after the other, so that TakenOver may exceed HandedOver.
	t.Held += max(t.HandedOver, t.TakenOver) - t.TakenOver
	t.HandedOver, t.TakenOver = 0, 0
}

func (w *Worker) report() WorkerReport {
	r := WorkerReport{
		CPU: w.engine.cfg.CPUs[w.number], Sessions: int(w.published.sessions.Load()),
		Turns:             w.published.turns.Load(),
		Busy:              time.Duration(w.published.busy.Load()) * time.Millisecond,
		NeighbourFailures: w.published.unanswered.Load(),
		Defences:          w.published.defences(),
		RefusedMoves:      w.published.refusals.Load(), Times: w.published.readTurnTimes(),
	}
	w.published.addTotals(&r.Totals)
	for i := range w.published.handedOver {
		r.HandedTo = append(r.HandedTo, w.published.handedOver[i].Load())
	}
	return r
}

// counted returns what the workers have published for a real server id; zero after Close. The
// caller has locked counting.
func (e *Engine) counted(id uint32) Traffic {
	var t Traffic
	for _, w := range e.workers {
		if w.published.servers != nil {
			w.published.servers[id].traffic.add(&t)
		}
	}
	return t
}

// reportService sums up over the current and former real servers of a service, so that its counts
// never go back. It waits for no change. ok is false if the service was removed meanwhile.
func (e *Engine) reportService(live *liveService) (r ServiceReport, ok bool) {
	e.counting.RLock()
	defer e.counting.RUnlock()
	for {
		v := live.view.Load()
		if !v.configured {
			return ServiceReport{}, false
		}
		r = e.reportView(v)
		if v.counts(live.view.Load()) {
			return r, true
		}
	}
}

func (e *Engine) reportView(v *serviceView) ServiceReport {
	r := ServiceReport{Service: v.settings, Traffic: v.forgotten, Inherited: v.inherited}
	r.RealServers = make([]RealServerReport, 0, len(v.current()))
	for i, server := range v.servers {
		counted := e.countedBy(server)
		r.Traffic.add(counted)
		if i < len(v.settings.RealServers) {
			rs := &v.settings.RealServers[i]
			report := e.reportServer(server, rs.Weight, counted)
			report.Share = rs.Share
			report.Down, report.Standby = rs.Down || rs.Inhibited, rs.Standby
			report.Mode, report.Locals = v.settings.modeOf(rs), e.registry.localUses(v, rs, server)
			r.RealServers = append(r.RealServers, report)
		} else if server.load.Total() > 0 {
			r.Gone = append(r.Gone, e.reportServer(server, 0, counted))
		}
	}
	slices.SortFunc(r.Gone, func(a, b RealServerReport) int { return a.Address.Compare(b.Address) })
	return r
}

// reportServer reports a real server, which is configured or remembered, without its local ports.
func (e *Engine) reportServer(s *liveServer, weight int32, counted Traffic) RealServerReport {
	return RealServerReport{
		Address: s.id.Address, Weight: weight, Active: s.load.Active(), Inactive: s.load.Inactive(),
		Overloaded: s.load.Overloaded(), ServerSigns: e.signsOf(s),
		Traffic: counted, Inherited: s.inherited, Templates: e.templates.Of(s.number),
	}
}

// countedBy returns what a real server has counted, as long as it is not released.
func (e *Engine) countedBy(server *liveServer) Traffic {
	t := e.counted(server.number)
	t.subtract(server.before)
	return t
}

func (t *Traffic) add(o Traffic) {
	t.Connections += o.Connections
	t.InPackets += o.InPackets
	t.InBytes += o.InBytes
	t.OutPackets += o.OutPackets
	t.OutBytes += o.OutBytes
}

func (t *Traffic) subtract(o Traffic) {
	t.Connections -= o.Connections
	t.InPackets -= o.InPackets
	t.InBytes -= o.InBytes
	t.OutPackets -= o.OutPackets
	t.OutBytes -= o.OutBytes
}
