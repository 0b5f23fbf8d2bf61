package sched_test

import (
	"net/netip"

	"fulcrum/lvs"
	"fulcrum/sched"
)

// kernel is a slow model of IPVS: its list of destinations and its schedulers, step by step as the
// kernel's sources describe them. The tests compare the package's picks with it.
type kernel struct {
	kind  sched.Kind
	flags lvs.SchedulerFlags
	six   bool           // the VIP is an IPv6 address
	list  []*destination // the kernel's order: newest first

	cl         *destination // rr, wrr: the last pick; nil = the head of the list
	cw, mw, di int

	slots []*destination // sh, dh, mh
	cache localityModel  // lblc, lblcr
}

// packetModel is the first packet of a session: what schedulers read of it, and when it came.
type packetModel struct {
	source, destination netip.Addr
	port                uint16
	ports               bool   // of a protocol with ports
	now                 uint32 // ms
}

type destination struct {
	id                   int
	address              netip.AddrPort
	weight, upper, lower int
	lastWeight           int
	active, inactive     int
	overloaded           bool
	available            bool // it is in the list
	load                 *sched.Load
}

func (d *destination) total() int    { return d.active + d.inactive }
func (d *destination) overhead() int { return d.active*256 + d.total() }
func (d *destination) usable() bool  { return d.weight > 0 && !d.overloaded }

// bind is ip_vs_bind_dest for a new session: only here is a destination marked.
func (d *destination) bind() {
	d.inactive++
	if d.upper != 0 && d.total() >= d.upper {
		d.overloaded = true
	}
}

// unbind is ip_vs_unbind_dest for a session that ends.
func (d *destination) unbind(active bool) {
	if active {
		d.active--
	} else {
		d.inactive--
	}
	switch {
	case d.lower != 0:
		if d.total() < d.lower {
			d.overloaded = false
		}
	case d.upper != 0:
		if d.total()*4 < d.upper*3 {
			d.overloaded = false
		}
	default:
		d.overloaded = false
	}
}

// reweigh is what __ip_vs_update_dest does to the weight of a destination that it adds or edits.
func (d *destination) reweigh(weight int, add bool) {
	if d.weight = weight; add || weight != 0 {
		d.lastWeight = weight
	}
}

// limit is what __ip_vs_update_dest does to the thresholds.
func (d *destination) limit(upper, lower int) {
	if upper == 0 || upper > d.upper {
		d.overloaded = false
	}
	d.upper, d.lower = upper, lower
}

// newKernel returns a service without destinations, which add then gives it one by one.
func newKernel(kind sched.Kind, flags lvs.SchedulerFlags, six bool) kernel {
	k := kernel{flags: flags, six: six}
	k.bind(kind)
	return k
}

// bind gives the service a scheduler, as ip_vs_bind_scheduler does: init_service sees all
// destinations that the service has at that time.
func (k *kernel) bind(kind sched.Kind) {
	k.kind = kind
	k.di, k.mw = k.measure()
	k.cl, k.cw = nil, k.mw
	k.cache = localityModel{}
	k.hash()
}

func (k *kernel) measure() (di, mw int) {
	greatest := 0
	for _, d := range k.list {
		greatest = max(greatest, d.weight)
	}
	for di = greatest; di > 1 && !k.divides(di); {
		di--
	}
	di = max(di, 1)
	return di, greatest - (di - 1)
}

func (k *kernel) divides(n int) bool {
	for _, d := range k.list {
		if d.weight%n != 0 {
			return false
		}
	}
	return true
}

// changed is the reaction of schedulers to an added, removed or edited destination.
func (k *kernel) changed() {
	k.hash()
	if k.kind != sched.WRR {
		return
	}
	k.cl = nil
	k.di, k.mw = k.measure()
	if k.cw > k.mw || k.cw == 0 {
		k.cw = k.mw
	} else if k.di > 1 {
		k.cw = k.cw/k.di*k.di + 1
	}
}

func (k *kernel) add(d *destination) {
	d.available = true
	k.list = append([]*destination{d}, k.list...)
	k.changed()
}

func (k *kernel) remove(d *destination) {
	d.available = false
	at := k.position(d)
	if k.cl == d {
		k.cl = nil
		if at > 0 {
			k.cl = k.list[at-1]
		}
	}
	k.list = append(append([]*destination{}, k.list[:at]...), k.list[at+1:]...)
	k.changed()
}

// position returns the position in the list, or -1 for the head.
func (k *kernel) position(d *destination) int {
	for i := range k.list {
		if k.list[i] == d {
			return i
		}
	}
	return -1
}

// pick returns the destination of a new session, or nil. It does not know twos, which is random.
func (k *kernel) pick(p packetModel) *destination {
	switch k.kind {
	case sched.RR:
		return k.rr()
	case sched.WRR:
		return k.wrr()
	case sched.LC:
		return k.least(func(a, b *destination) bool { return a.overhead() < b.overhead() })
	case sched.SED, sched.NQ:
		return k.soonest()
	case sched.SH, sched.DH, sched.MH:
		return k.hashed(p)
	case sched.FO:
		return k.least(func(a, b *destination) bool { return a.weight > b.weight })
	case sched.OVF:
		return k.overflow()
	case sched.LBLC:
		return k.lblc(p)
	case sched.LBLCR:
		return k.lblcr(p)
	default:
		return k.wlc()
	}
}

func (k *kernel) wlc() *destination {
	return k.least(func(a, b *destination) bool {
		return a.overhead()*b.weight < b.overhead()*a.weight
	})
}

// soonest is sed, and nq: that takes the first idle destination before all others.
func (k *kernel) soonest() *destination {
	for _, d := range k.list {
		if k.kind == sched.NQ && d.usable() && d.active == 0 {
			return d
		}
	}
	return k.least(func(a, b *destination) bool {
		return (a.active+1)*b.weight < (b.active+1)*a.weight
	})
}

func (k *kernel) overflow() *destination {
	var best *destination
	for _, d := range k.list {
		if d.usable() && d.active <= d.weight && (best == nil || d.weight > best.weight) {
			best = d
		}
	}
	return best
}

func (k *kernel) rr() *destination {
	at := k.position(k.cl)
	for range k.list {
		at = (at + 1) % len(k.list)
		if k.list[at].usable() {
			k.cl = k.list[at]
			return k.cl
		}
	}
	return nil
}

func (k *kernel) wrr() *destination {
	if k.mw == 0 {
		return nil
	}
	last, at := k.cl, k.position(k.cl)
	var stop *destination
	lastPass, restarted := false, false
	for {
		for at++; at < len(k.list); at++ {
			d := k.list[at]
			if !d.overloaded && d.weight >= k.cw {
				k.cl = d
				return d
			}
			if stop != nil && d == stop {
				k.cl = d
				return nil
			}
		}
		at = -1
		k.cw -= k.di
		if k.cw <= 0 {
			k.cw = k.mw
			if lastPass || last == nil {
				k.cl = nil
				return nil
			}
			restarted = true
		}
		lastPass = k.cw <= k.di
		if lastPass && restarted && last != nil {
			stop = last
		}
	}
}

func (k *kernel) least(less func(a, b *destination) bool) *destination {
	var best *destination
	for _, d := range k.list {
		if d.usable() && (best == nil || less(d, best)) {
			best = d
		}
	}
	return best
}
