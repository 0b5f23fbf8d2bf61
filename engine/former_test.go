package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket/layers"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
)

// talk is a session of UDP in the eyes of its client and of its real server.
type talk struct {
	client string
	vip    string
	mode   modes.Mode
	source netip.AddrPort // the client as the real server sees it
	server netip.AddrPort
}

// talks begins n sessions from the i-th client on and returns them.
func (b *bed) talks(mode modes.Mode, vip string, i, n int) []talk {
	b.Helper()
	var all []talk
	for ; n > 0; i, n = i+1, n-1 {
		k := talk{client: clientAt(i), vip: vip, mode: mode}
		f := b.asks(&k)
		if mode.TwoWay() {
			k.source, k.server = flowOf(f)
			b.replies(&k)
		}
		all = append(all, k)
	}
	return all
}

// goOn expects another packet of every session in both directions.
func (b *bed) goOn(all []talk, when string) {
	b.Helper()
	for i := range all {
		k := &all[i]
		f := b.asks(k)
		if !k.mode.TwoWay() {
			continue
		}
		if source, server := flowOf(f); source != k.source || server != k.server {
			b.Fatalf("%s: session %d goes from %v to %v, before from %v to %v", when, i, source, server,
				k.source, k.server)
		}
		b.replies(k)
	}
	if drops := b.drops(); drops != "" {
		b.Fatalf("%s: dropped %s", when, drops)
	}
}

// asks sends a client's packet and returns what a real server gets.
func (b *bed) asks(k *talk) []byte {
	b.Helper()
	b.fromClient(udp(k.client, k.vip, "?"))
	all := slices.Concat(b.collectAll()...)
	if len(all) != 1 {
		b.Fatalf("%d packets for one of %s; dropped %s", len(all), k.client, b.drops())
	}
	want := 14 + 20 + 8 + 1
	if k.mode == modes.IPIP {
		want += 20
	}
	if got := int(all[0][16])<<8 + int(all[0][17]) + 14; got != want {
		b.Fatalf("%v: the packet has %d bytes, want %d", k.mode, got, want)
	}
	return all[0]
}

// replies sends the real server's answer, which must arrive at the client. It comes from where the
// real server's packets come in.
func (b *bed) replies(k *talk) {
	b.Helper()
	answer := udp(k.server.String(), k.source.String(), "!")
	_, port, _ := b.engine.snap.Load().routes.next(packet.AddrOf(k.server.Addr()))
	b.receive(int(port), answer.frame(b.site.gateway.mac, b.site.own(int(port)).mac))
	all := slices.Concat(b.collectAll()...)
	if len(all) != 1 {
		b.Fatalf("%d packets for the answer to %s; dropped %s", len(all), k.client, b.drops())
	}
	if from, to := flowOf(all[0]); from.String() != k.vip || to.String() != k.client {
		b.Fatalf("the answer to %s goes from %v to %v", k.client, from, to)
	}
}

// upheaval is a change of a running director.
type upheaval struct {
	name   string
	before modes.Mode
	after  modes.Mode
	change func(n *Settings)
}

// harmless reports whether a change does not concern steering.
func (u *upheaval) harmless() bool { return u.before == u.after && u.before != modes.FullNAT }

// upheavals are all kinds of change after which sessions go on.
func upheavals() (all []upheaval) {
	for _, before := range allModes {
		for _, after := range allModes {
			if before != after {
				all = append(all, upheaval{fmt.Sprintf("%v to %v", before, after), before, after, func(n *Settings) {
					n.Services[0] = twoArm.echo(after, 3)
					for i := range n.Services[0].RealServers { // a real server keeps its address and port
						n.Services[0].RealServers[i].Address = netip.AddrPortFrom(twoArm.servers[i].addr, 7)
					}
				}})
			}
		}
		all = append(all, others(before)...)
	}
	return append(all, localUpheavals()...)
}

// others are changes that a mode's sessions should not notice.
func others(m modes.Mode) []upheaval {
	web := func(change func(v *Service)) func(n *Settings) {
		return func(n *Settings) { change(&n.Services[0]) }
	}
	all := []upheaval{
		{"echo", m, m, web(func(v *Service) { v.Echo = false })},
		{"scheduler", m, m, web(func(v *Service) { v.Scheduler = lvs.Schedulers()[3] })},
		{"name", m, m, web(func(v *Service) { v.Name = "other" })},
		{"weights", m, m, web(func(v *Service) { v.RealServers[0].Weight = 0 })},
		{"address of a port", m, m, func(n *Settings) {
			for i, a := range []string{"10.0.3.1/24", "10.1.3.1/24"} {
				more := netip.MustParsePrefix(a)
				n.Ports[i].Addresses = append([]netip.Prefix{more}, n.Ports[i].Addresses...)
			}
		}},
		{"VIP added", m, m, func(n *Settings) {
			v := twoArm.web(m, 1)
			v.Address = at4("10.0.0.101:80")
			n.Services = append(n.Services, v)
		}},
	}
	for i := range all {
		all[i].name = fmt.Sprintf("%v: %s", m, all[i].name)
	}
	return all
}

// localUpheavals change local addresses of fullnat.
func localUpheavals() []upheaval {
	m, l := modes.FullNAT, twoArm.local
	locals := func(a ...netip.Addr) func(n *Settings) {
		return func(n *Settings) { n.Services[0].LocalAddresses = a }
	}
	fresh := netip.MustParseAddr("10.1.0.60")
	return []upheaval{
		{"local address removed", m, m, locals(l[0])},
		{"all local addresses replaced", m, m, locals(fresh)},
		{"local address added", m, m, locals(l[0], l[1], fresh)},
		{"local address moved to another service", m, m, func(n *Settings) {
			locals(fresh)(n)
			v := twoArm.web(m, 1)
			v.LocalAddresses = l
			n.Services = append(n.Services, v)
		}},
	}
}

// TestSessionsOutliveChanges: after any change, by any number of workers, each session goes on in
// both directions, and new ones follow the new settings. When the old sessions have ended nothing
// is kept for them, and the new ones still go on.
func TestSessionsOutliveChanges(t *testing.T) {
	for _, u := range upheavals() {
		for _, workers := range []int{1, 2, 4} {
			if testing.Short() && workers == 4 {
				continue
			}
			for name, device := range map[string]func(*bedConfig){
				"rss": spreading(t, workers, byFlow), "rss by client": spreading(t, workers, byClient),
				"scattered": anywhereIn(workers), "one queue": narrow(1),
			} {
				if u.harmless() && (name == "rss by client" || name == "one queue") {
					continue // two kinds of devices are enough
				}
				t.Run(fmt.Sprint(u.name, "/", workers, "/", name), func(t *testing.T) {
					u.outlived(t, crowd(workers), device)
				})
			}
		}
	}
}

func (u *upheaval) outlived(t *testing.T, devices ...func(*bedConfig)) {
	const n = 40
	s := twoArm
	v := s.echo(u.before, 3)
	for i := range v.RealServers {
		v.RealServers[i].Address = netip.AddrPortFrom(s.servers[i].addr, 7)
	}
	first := s.serving(v)
	first.Timeouts.Set(conntrack.UDP, 10*time.Second)
	b := newBed(t, s, first, devices...)
	old := b.talks(u.before, echoVIP, 0, n)
	next := first
	next.Ports, next.Services = slices.Clone(next.Ports), slices.Clone(next.Services)
	next.Services[0].RealServers = slices.Clone(v.RealServers)
	u.change(&next)
	b.apply(next)
	b.goOn(old, "after the change")
	fresh := b.talks(u.after, echoVIP, n, n)
	b.goOn(fresh, "new")
	b.keep()
	b.goOn(old, "kept")
	b.wait(6000)
	b.goOn(fresh, "new ones, while the old ones wait")
	b.keep()
	b.goOn(old, "kept on")
	b.wait(6000)
	b.goOn(fresh, "new ones, before the old ones end")
	b.wait(7000)
	b.sessions(n)
	b.keep()
	b.keep()
	b.goOn(fresh, "new ones alone")
	b.nothingKept()
	b.goOn(b.talks(u.after, echoVIP, 2*n, n), "the newest")
}

// nothingKept expects that nothing is kept for sessions of former settings.
func (b *bed) nothingKept() {
	b.Helper()
	if r := b.engine.registry; len(r.retired) != 0 || len(r.formers) != 0 || r.rerouted || r.moving() ||
		b.engine.snap.Load().moving {
		b.Errorf("kept: %d addresses, %d rules, rerouted %v, settled at %d", len(r.retired), len(r.formers),
			r.rerouted, r.settledAt)
	}
}

// rerouted is a fullnat service whose real server is behind a gateway at a port.
func rerouted(port int) Settings {
	s := twoArm
	v := s.echo(modes.FullNAT, 1)
	v.RealServers[0].Address = at4("10.9.0.11:8007")
	n := s.serving(v)
	via := []netip.Addr{s.gateway.addr, s.servers[0].addr}[port]
	n.Routes = append(n.Routes, Route{To: netip.MustParsePrefix("10.9.0.0/16"), Via: via, Port: port})
	return n
}

// TestSessionsOutliveRoutes: answers of a real server come in at another port, whose device spreads
// them in another way.
func TestSessionsOutliveRoutes(t *testing.T) {
	for _, workers := range []int{1, 2, 4} {
		const n = 40
		first, next := rerouted(1), rerouted(0)
		first.Timeouts.Set(conntrack.UDP, 10*time.Second)
		next.Timeouts = first.Timeouts
		b := newBed(t, twoArm, first, crowd(workers), spreading(t, workers, byClient))
		old := b.talks(modes.FullNAT, echoVIP, 0, n)
		b.apply(next)
		b.goOn(old, "by another port")
		b.keep()
		b.goOn(old, "by another port, kept")
		b.wait(6000)
		fresh := b.talks(modes.FullNAT, echoVIP, n, n)
		b.wait(7000)
		b.keep()
		b.keep()
		b.nothingKept()
		b.goOn(fresh, "new ones")
	}
}

// TestNewConnectionAtItsOwner: a new connection on the ports of one that a former owner has begins
// at the present owner, and is found when nothing is kept any more.
func TestNewConnectionAtItsOwner(t *testing.T) {
	s := twoArm
	v := s.web(modes.NAT, 1)
	b := newBed(t, s, s.serving(v), crowd(4), spreading(t, 4, byFlow))
	const n = 40
	for i := range n {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
		b.fromServer(0, tcp("10.1.0.11:8080", clientAt(i), "RA"))
	}
	v.Mode, v.LocalAddresses = modes.FullNAT, s.local
	b.apply(s.serving(v))
	b.collectAll()
	for i := range n {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	b.sessions(n)
	b.keep()
	b.keep()
	if len(b.engine.registry.formers) != 0 {
		t.Error("a session by the former rule is left")
	}
	b.collectAll()
	for i := range n {
		b.fromClient(tcp(clientAt(i), webVIP, "A"))
	}
	if got := len(collect(b.ports[1])); got != n {
		t.Errorf("%d of %d packets arrive; dropped %s", got, n, b.drops())
	}
	b.dropped("")
}

// TestFragmentsAtAFormerOwner: fragments find the session at its former owner.
func TestFragmentsAtAFormerOwner(t *testing.T) {
	s := twoArm
	v := s.echo(modes.NAT, 1)
	byAddress := func(c *bedConfig) {
		c.choose = func(int) func([]byte) int {
			return func(f []byte) int { return int(f[28]+f[29]+f[30]+f[31]+f[32]) % 4 }
		}
	}
	for name, device := range map[string]func(*bedConfig){
		"rss": spreading(t, 4, byFlow), "by address": byAddress,
	} {
		b := newBed(t, s, s.serving(v), crowd(4), device)
		const n = 40
		id := uint16(0)
		ask := func(i int) {
			id++
			p := udp(clientAt(250*i), echoVIP, "0123456789abcdefghijklmnopqrstuvwxyz").with(func(p *pkt) {
				p.id = id
			})
			for _, f := range fragmentsOf(p, 24) {
				b.receive(0, ethernet(s.gateway.mac, s.ports[0].mac, layers.EthernetTypeIPv4, f))
			}
		}
		for i := range n {
			ask(i)
		}
		before := len(collect(b.ports[1]))
		w := v
		w.Mode, w.LocalAddresses = modes.FullNAT, s.local
		b.apply(s.serving(w))
		for i := range 2 * n {
			ask(i)
		}
		if got := len(collect(b.ports[1])); got != 2*before || b.drops() != "" {
			t.Errorf("%s: %d fragments arrive, want %d; dropped %s", name, got, 2*before, b.drops())
		}
		b.sessions(2 * n)
	}
}
