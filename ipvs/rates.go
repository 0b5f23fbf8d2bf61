package ipvs

import (
	"net/netip"
	"sync"
	"time"

	"fulcrum/engine"
	"fulcrum/lvs"
)

// rateInterval is the time between two looks at the counters, as in the kernel's estimator.
const rateInterval = 2 * time.Second

// rates are the averages of all services and real servers, by the kernel's estimator: every two
// seconds an average moves a quarter of the way to the present rate (ip_vs_est.c). The zero value
// has none.
type rates struct {
	mu  sync.Mutex
	all map[lvs.RealServerID]*average // a service's own has no real server's address
}

// average is the estimator of one service or real server. Sessions and packets are scaled by 2^10,
// bytes by 2^5, as in the kernel, so that its roundings are the kernel's.
type average struct {
	last   engine.Traffic
	scaled Rates
	seen   bool // in the present look
}

// look takes the counters of all services. Those that are not among them any more are forgotten.
func (r *rates) look(all []engine.ServiceReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[lvs.RealServerID]*average{}
	}
	for i := range all {
		s := &all[i]
		id := s.Service.ID()
		r.take(lvs.RealServerID{Service: id}, s.Inherited, s.Traffic)
		for _, rs := range s.RealServers {
			r.take(lvs.RealServerID{Service: id, Address: rs.Address}, rs.Inherited, rs.Traffic)
		}
	}
	for id, a := range r.all {
		if !a.seen {
			delete(r.all, id)
		}
		a.seen = false
	}
}

// take moves the averages of one service or real server. What is new has counted since then, but
// for what it has inherited from the process before.
func (r *rates) take(id lvs.RealServerID, inherited, now engine.Traffic) {
	a := r.all[id]
	if a == nil {
		a = &average{last: inherited}
		r.all[id] = a
	}
	a.move(now)
	a.seen = true
}

// move goes a quarter of the way to the rates since the last look. A counter that has decreased
// was zeroed, and begins anew.
func (a *average) move(now engine.Traffic) {
	for _, f := range []struct {
		last  *uint64
		now   uint64
		scale int
		rate  *uint64
	}{
		{&a.last.Connections, now.Connections, 10, &a.scaled.CPS},
		{&a.last.InPackets, now.InPackets, 10, &a.scaled.InPPS},
		{&a.last.OutPackets, now.OutPackets, 10, &a.scaled.OutPPS},
		{&a.last.InBytes, now.InBytes, 5, &a.scaled.InBPS},
		{&a.last.OutBytes, now.OutBytes, 5, &a.scaled.OutBPS},
	} {
		rate := (f.now - min(*f.last, f.now)) << f.scale / uint64(rateInterval/time.Second)
		*f.rate += uint64((int64(rate) - int64(*f.rate)) >> 2)
		*f.last = f.now
	}
}

// of returns the rates of a service, or of one of its real servers.
func (r *rates) of(service lvs.ServiceID, server netip.AddrPort) Rates {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.all[lvs.RealServerID{Service: service, Address: server}]
	if a == nil {
		return Rates{}
	}
	return Rates{
		CPS: (a.scaled.CPS + 0x1ff) >> 10, InPPS: (a.scaled.InPPS + 0x1ff) >> 10,
		OutPPS: (a.scaled.OutPPS + 0x1ff) >> 10,
		InBPS:  (a.scaled.InBPS + 0xf) >> 5, OutBPS: (a.scaled.OutBPS + 0xf) >> 5,
	}
}

// zero forgets the rates of a service and its real servers, or all if id is the zero value. What
// is counted from now on counts from zero, as in ip_vs_zero_estimator.
func (r *rates) zero(service lvs.ServiceID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, a := range r.all {
		if service == (lvs.ServiceID{}) || id.Service == service {
			*a = average{}
		}
	}
}
