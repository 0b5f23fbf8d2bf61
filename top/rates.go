package top

import (
	"cmp"
	"slices"

	"fulcrum/control"
)

// rates are the changes per second between two reports.
type rates struct {
	received, transmitted, dropped, sessions float64
	toHost, fromHost                         float64

	services map[string]traffic // by service, and by service and real server
	drops    []dropRate         // those that occurred, most frequent first
	busy     []float64          // each worker's share of time in turns with packets
	worker   []float64          // packets received, by worker
}

type traffic struct{ sessions, inPackets, outPackets, inBits, outBits float64 }

type dropRate struct {
	reason string
	rate   float64
	total  uint64
}

// trafficKey identifies a real server, or a whole service if server is empty.
func trafficKey(service, server string) string { return service + "\x00" + server }

// newRates compares two samples.
func newRates(before, after Sample) rates {
	d := difference{seconds: max(after.At.Sub(before.At).Seconds(), 0.001)}
	a, b := before.Report, after.Report
	r := rates{
		received: d.of(a.Received, b.Received), transmitted: d.of(a.Transmitted, b.Transmitted),
		toHost: d.of(a.ToHost, b.ToHost), fromHost: d.of(a.FromHost, b.FromHost),
		services: map[string]traffic{},
	}
	old := trafficOf(a)
	for k, t := range trafficOf(b) {
		r.services[k] = d.traffic(old[k], t)
	}
	for _, s := range b.Services {
		r.sessions += r.services[trafficKey(s.Name, "")].sessions
	}
	r.addDrops(d, a, b)
	for i, w := range b.Workers {
		if i < len(a.Workers) {
			r.busy = append(r.busy, min(1, max(0, float64(w.BusyMs-a.Workers[i].BusyMs)/1000/d.seconds)))
			r.worker = append(r.worker, d.of(a.Workers[i].Received, w.Received))
		}
	}
	return r
}

func (r *rates) addDrops(d difference, a, b *control.Report) {
	for reason, n := range b.Drops {
		rate := d.of(a.Drops[reason], n)
		r.dropped += rate
		r.drops = append(r.drops, dropRate{reason, rate, n})
	}
	slices.SortFunc(r.drops, func(a, b dropRate) int {
		return cmp.Or(cmp.Compare(b.rate, a.rate), cmp.Compare(b.total, a.total),
			cmp.Compare(a.reason, b.reason))
	})
}

// trafficOf returns the counts of services and real servers by key.
func trafficOf(r *control.Report) map[string]control.Traffic {
	all := map[string]control.Traffic{}
	for _, s := range r.Services {
		all[trafficKey(s.Name, "")] = s.Traffic
		for _, rs := range s.RealServers {
			all[trafficKey(s.Name, rs.Address)] = rs.Traffic
		}
	}
	return all
}

// difference turns counts into rates.
type difference struct{ seconds float64 }

// of returns 0 if the count started again from zero.
func (d difference) of(before, after uint64) float64 {
	if after < before {
		return 0
	}
	return float64(after-before) / d.seconds
}

func (d difference) traffic(a, b control.Traffic) traffic {
	return traffic{
		d.of(a.Connections, b.Connections), d.of(a.InPackets, b.InPackets), d.of(a.OutPackets,
			b.OutPackets),
		8 * d.of(a.InBytes, b.InBytes), 8 * d.of(a.OutBytes, b.OutBytes),
	}
}
