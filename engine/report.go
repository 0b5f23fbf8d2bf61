package engine

import (
	"net/netip"
	"time"

	"fulcrum/ports"
)

// Report is what the director has done so far, summed over its workers. Workers publish their counts every 10 ms, so
// that a report may lag by as much.
type Report struct {
	Totals
	Ports    []PortReport // in the order of the configuration
	Services []ServiceReport
	Workers  []WorkerReport
	Sessions int // sessions that the real servers have, in all
}

// WorkerReport is a worker's part of a Report.
type WorkerReport struct {
	CPU int
	Totals
	Sessions int
	HandedTo []uint64 // packets handed over, by worker
	Turns    uint64
	Busy     time.Duration // in turns that brought packets
	Times    TurnTimes
	// NeighbourFailures counts next hops that were given up because they answered nobody.
	NeighbourFailures uint64
}

// PortReport is a port's part of a Report.
type PortReport struct {
	PortTotals
	Device ports.Stats // the device's own counters; zero if it has none
}

// ServiceReport is a service's part of a Report.
type ServiceReport struct {
	Service Service
	Traffic
	RealServers []RealServerReport
}

// RealServerReport is a real server's part of a Report.
type RealServerReport struct {
	Address          netip.AddrPort
	Weight           int32
	Active, Inactive int32
	Traffic
}

// Report sums up what the workers have published. It may be called at any time, by anyone.
func (e *Engine) Report() Report {
	snap, traffic := e.counted()
	r := Report{Ports: make([]PortReport, len(e.cfg.Ports))}
	for i, p := range e.cfg.Ports {
		r.Ports[i].Device, _ = p.Stats() // a device without counters has nothing to report
	}
	for _, w := range e.workers {
		r.Workers = append(r.Workers, w.report())
		w.published.addTotals(&r.Totals)
		for i := range r.Ports {
			w.published.addPort(i, &r.Ports[i].PortTotals)
		}
	}
	r.settle()
	for i := range snap.settings.Services {
		r.Services = append(r.Services, reportService(snap, i, traffic))
	}
	for i := range snap.servers {
		r.Sessions += int(snap.servers[i].load.Total())
	}
	return r
}

// settle takes what one worker had from another out of the sum: what is between them is held.
func (t *Totals) settle() {
	t.Held += max(t.HandedOver, t.TakenOver) - t.TakenOver // they are not read at one moment
	t.HandedOver, t.TakenOver = 0, 0
}

func (w *Worker) report() WorkerReport {
	r := WorkerReport{
		CPU: w.engine.cfg.CPUs[w.number], Sessions: int(w.published.sessions.Load()),
		Turns: w.published.turns.Load(), Busy: time.Duration(w.published.busy.Load()) * time.Millisecond,
		NeighbourFailures: w.published.unanswered.Load(), Times: w.published.readTurnTimes(),
	}
	w.published.addTotals(&r.Totals)
	for i := range w.published.handedOver {
		r.HandedTo = append(r.HandedTo, w.published.handedOver[i].Load())
	}
	return r
}

// counted returns the snapshot and what its real servers have counted, by id. They are read again if the snapshot changes meanwhile: an id may
// count for somebody else then.
func (e *Engine) counted() (*snapshot, []Traffic) {
	for {
		snap := e.snap.Load()
		traffic := e.traffic(len(snap.servers))
		if e.snap.Load() != snap {
			continue
		}
		for id, before := range snap.before {
			traffic[id].subtract(before)
		}
		return snap, traffic
	}
}

// traffic sums up what the workers have published of the first n real server ids.
func (e *Engine) traffic(n int) []Traffic {
	traffic := make([]Traffic, n)
	for _, w := range e.workers {
		w.published.addServers(traffic)
	}
	return traffic
}

func (p *published) addServers(to []Traffic) {
	all := *p.servers.Load()
	for i := range min(len(all), len(to)) {
		all[i].add(&to[i])
	}
}

// reportService sums up over the real servers that a service has and those that it had, so that its counts never go back.
func reportService(snap *snapshot, place int, traffic []Traffic) ServiceReport {
	s, ids := snap.settings.Services[place], snap.pools[place].servers
	r := ServiceReport{Service: s, RealServers: make([]RealServerReport, 0, len(ids))}
	r.Traffic = snap.forgotten[place]
	for _, id := range snap.removed[place] {
		r.Traffic.add(traffic[id])
	}
	for i, id := range ids {
		load, t := snap.servers[id].load, traffic[id]
		r.RealServers = append(r.RealServers, RealServerReport{
			Address:  s.RealServers[i].Address,
			Weight:   s.RealServers[i].Weight,
			Active:   load.Active(),
			Inactive: load.Inactive(),
			Traffic:  t,
		})
		r.Traffic.add(t)
	}
	return r
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
