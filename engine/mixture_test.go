package engine

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
)

// mixtures are the modes of real servers of one service, one each.
var mixtures = [][]modes.Mode{
	{modes.NAT, modes.DR}, {modes.DR, modes.IPIP}, {modes.NAT, modes.FullNAT},
	{modes.DR, modes.FullNAT}, {modes.IPIP, modes.NAT}, {modes.FullNAT, modes.IPIP, modes.DR},
	{modes.DR, modes.NAT, modes.FullNAT}, {modes.DR, modes.NAT, modes.FullNAT, modes.IPIP},
}

// twoArm4 is twoArm with a real server for each mode.
var twoArm4 = func() site {
	s := twoArm
	s.servers = append(slices.Clone(s.servers), station("10.1.0.14", 14))
	return s
}()

// mixture is a UDP service whose real servers have these modes. Its own is the first one's.
func (s *site) mixture(all []modes.Mode) Service {
	v := s.echo(all[0], len(all))
	for i, m := range all {
		rs := &v.RealServers[i]
		rs.Address = netip.AddrPortFrom(rs.Address.Addr(), v.Address.Port()+8000)
		if m.FixedPort() {
			rs.Address = netip.AddrPortFrom(rs.Address.Addr(), v.Address.Port())
		}
		if m != v.Mode {
			rs.Mode = lvs.Own(m)
		}
		if m == modes.FullNAT {
			v.LocalAddresses = s.local
		}
	}
	return v
}

// chat is a session of UDP with a real server of a mixture.
type chat struct {
	client netip.AddrPort
	server int // -1 before the first packet
	mode   modes.Mode
	source netip.AddrPort // the client as the real server sees it; in two-way modes
}

// chats begins n sessions from the i-th client on, with the real servers of a mixture.
func (b *bed) chats(all []modes.Mode, i, n int) []chat {
	b.Helper()
	var begun []chat
	for ; n > 0; i, n = i+1, n-1 {
		k := chat{client: at4(clientAt(i)), server: -1}
		if b.site.is6 {
			k.client = sixPort(k.client)
		}
		b.exchange(all, &k)
		begun = append(begun, k)
	}
	return begun
}

// chatOn expects another packet of every session in both directions.
func (b *bed) chatOn(all []chat) {
	b.Helper()
	for i := range all {
		b.exchange(nil, &all[i])
	}
}

func (b *bed) vip() netip.AddrPort {
	if b.site.is6 {
		return sixPort(at4(echoVIP))
	}
	return at4(echoVIP)
}

// exchange sends a client's packet and the answer to it, if that passes the director. A session
// without real server gets the one that the packet reaches; modes are theirs.
func (b *bed) exchange(all []modes.Mode, k *chat) {
	b.Helper()
	vip := b.vip()
	b.receive(b.site.front, udp(k.client.String(), vip.String(), "?").frame(b.site.gateway.mac,
		b.site.own(b.site.front).mac))
	sent := slices.Concat(b.collectAll()...)
	if len(sent) != 1 {
		b.Fatalf("%d packets for one of %v; dropped %s", len(sent), k.client, b.drops())
	}
	server := slices.IndexFunc(b.site.servers, func(h host) bool {
		return h.mac == packet.MAC(sent[0][:6])
	})
	if k.server < 0 {
		k.server, k.mode = server, all[server]
	}
	source, to := flowOf(untunnelled(b, k.mode, sent[0]))
	want := vip
	if k.mode.Path() == lvs.Translate {
		want = netip.AddrPortFrom(b.site.servers[k.server].addr, vip.Port()+8000)
	}
	if server != k.server || to != want {
		b.Fatalf("%v: a packet of %v reaches real server %d as %v, want %d as %v", k.mode, k.client,
			server, to, k.server, want)
	}
	if local := slices.Contains(b.site.local, source.Addr()); local != (k.mode == modes.FullNAT) ||
		!local && source != k.client || k.source.IsValid() && source != k.source {
		b.Fatalf("%v: a packet of %v comes from %v", k.mode, k.client, source)
	}
	k.source = source
	if k.mode.TwoWay() {
		b.answersTo(k, to, source)
	}
}

// answersTo sends a real server's answer, which must arrive at the client.
func (b *bed) answersTo(k *chat, from, to netip.AddrPort) {
	b.Helper()
	b.receive(b.site.back, udp(from.String(), to.String(), "!").frame(b.site.servers[k.server].mac,
		b.site.own(b.site.back).mac))
	back := slices.Concat(b.collectAll()...)
	if len(back) != 1 {
		b.Fatalf("%v: %d packets for the answer to %v; dropped %s", k.mode, len(back), k.client,
			b.drops())
	}
	if from, to := flowOf(back[0]); from != b.vip() || to != k.client {
		b.Fatalf("%v: the answer to %v goes from %v to %v", k.mode, k.client, from, to)
	}
}

// untunnelled returns the frame with the packet inside a tunnel, if the mode has one.
func untunnelled(b *bed, m modes.Mode, f []byte) []byte {
	b.Helper()
	six := f[12] == 0x86
	in4, in6 := !six && f[14+9] == packet.ProtocolIPv4, six && f[14+6] == packet.ProtocolIPv6
	if tunnelled := in4 || in6; tunnelled != (m.Path() == lvs.Tunnel) {
		b.Fatalf("%v: tunnelled: %t", m, tunnelled)
	}
	switch {
	case in4:
		return append(slices.Clone(f[:14]), f[14+20:]...)
	case in6:
		return append(slices.Clone(f[:14]), f[14+40:]...)
	}
	return f
}

// mixedDevices are the ways in which devices spread packets over a number of workers.
func mixedDevices(t *testing.T, workers int) map[string]func(*bedConfig) {
	return map[string]func(*bedConfig){
		"rss": spreading(t, workers, byFlow), "rss by client": spreading(t, workers, byClient),
		"scattered": anywhereIn(workers), "one queue": narrow(1),
	}
}

// TestMixtures: each real server of a service gets its packets in its own mode, and its answers
// come back, for any number of workers and however devices spread packets.
func TestMixtures(t *testing.T) {
	for _, all := range mixtures {
		for _, s := range []site{twoArm4, twoArm4.twin()} {
			for _, workers := range []int{1, 2, 4} {
				for name, device := range mixedDevices(t, workers) {
					t.Run(fmt.Sprint(all, "/", s.name, "/", workers, "/", name), func(t *testing.T) {
						b := newBed(t, s, s.serving(s.mixture(all)), crowd(workers), device)
						n := 12 * len(all)
						begun := b.chats(all, 0, n)
						b.chatOn(begun)
						b.sessions(n)
						b.dropped("")
						for i := range all {
							b.connections(0, i, 0, 12)
						}
					})
				}
			}
		}
	}
}

// TestMixturesChange: real servers get other modes while sessions go on. The flows of the service
// may have other owners then. When the old sessions have ended, nothing is kept for them, although
// sessions of each mode are there.
func TestMixturesChange(t *testing.T) {
	for _, change := range [][2][]modes.Mode{
		{{modes.NAT, modes.DR}, {modes.DR, modes.DR}},
		{{modes.DR, modes.DR}, {modes.NAT, modes.DR}},
		{{modes.NAT, modes.DR}, {modes.DR, modes.NAT}},
		{{modes.FullNAT, modes.DR}, {modes.FullNAT, modes.NAT}},
		{{modes.FullNAT, modes.NAT, modes.IPIP}, {modes.FullNAT, modes.FullNAT, modes.IPIP}},
		{{modes.IPIP, modes.IPIP}, {modes.NAT, modes.FullNAT}},
	} {
		for _, workers := range []int{1, 2, 4} {
			for name, device := range mixedDevices(t, workers) {
				t.Run(fmt.Sprint(change, "/", workers, "/", name), func(t *testing.T) {
					changedMixture(t, change, crowd(workers), device)
				})
			}
		}
	}
}

func changedMixture(t *testing.T, change [2][]modes.Mode, devices ...func(*bedConfig)) {
	const n = 24
	s := twoArm
	service := func(all []modes.Mode) Settings {
		v := s.mixture(all)
		for i := range v.RealServers { // they keep their addresses and ports
			v.RealServers[i].Address = netip.AddrPortFrom(s.servers[i].addr, v.Address.Port()+8000)
		}
		set := s.serving(v)
		set.Timeouts.Set(conntrack.UDP, 10*time.Second)
		return set
	}
	b := newBed(t, s, service(change[0]), devices...)
	old := b.chats(change[0], 0, n)
	b.apply(service(change[1]))
	b.chatOn(old)
	fresh := b.chats(change[1], n, n)
	b.keep()
	b.chatOn(old)
	b.wait(6000)
	b.chatOn(fresh)
	b.wait(6000) // the old ones end
	b.chatOn(fresh)
	b.sessions(n)
	b.keep()
	b.keep()
	b.nothingKept()
	b.chatOn(fresh)
	b.chatOn(b.chats(change[1], 2*n, n))
	b.dropped("")
}

// TestOwnerOfAMixture: a service with any nat real server has nat's rule, by the real servers that
// it has now.
func TestOwnerOfAMixture(t *testing.T) {
	s := twoArm4
	for _, all := range mixtures {
		v := s.mixture(all)
		want := lvs.Receiver
		if slices.Contains(all, modes.NAT) {
			want = lvs.ClientEnd
		}
		if got := v.owner(); got != want {
			t.Errorf("%v: owner %v, want %v", all, got, want)
		}
		v.RealServers = nil
		if got := v.owner(); got != v.Mode.Owner() {
			t.Errorf("%v without real servers: owner %v", v.Mode, got)
		}
	}
}

// TestPingsOfAMixture: an echo request goes to a real server in that one's mode, and the answer
// passes the director where that mode has it pass.
func TestPingsOfAMixture(t *testing.T) {
	s := twoArm4
	all := mixtures[len(mixtures)-1]
	for _, workers := range []int{1, 2, 4} {
		v := s.mixture(all)
		v.Echo = false
		b := newBed(t, s, s.serving(v), crowd(workers), anywhereIn(workers))
		const n = 40
		reached := map[modes.Mode]int{}
		for i := range n {
			ping := icmp(clientAt(i), vipAlone, packet.ICMPEchoRequest, 0, uint32(i)<<16|1, []byte("?"))
			b.fromClient(ping)
			sent := slices.Concat(b.collectAll()...)
			if len(sent) != 1 {
				b.Fatalf("%d packets for ping %d; dropped %s", len(sent), i, b.drops())
			}
			server := slices.IndexFunc(s.servers, func(h host) bool {
				return h.mac == packet.MAC(sent[0][:6])
			})
			m := all[server]
			reached[m]++
			b.pongs(server, m, untunnelled(b, m, sent[0]), ping)
		}
		b.sessions(n)
		b.dropped("")
		if len(reached) != len(all) {
			t.Errorf("pings reached real servers of %v", reached)
		}
	}
}

// pongs sends a real server's answer to the ping that has reached it as a frame, and expects it at
// the client.
func (b *bed) pongs(server int, m modes.Mode, f []byte, ping pkt) {
	b.Helper()
	if !m.TwoWay() {
		return
	}
	from, to := netip.AddrFrom4([4]byte(f[30:34])), netip.AddrFrom4([4]byte(f[26:30]))
	b.fromServer(server, icmp(from.String(), to.String(), packet.ICMPEchoReply, 0,
		binary.BigEndian.Uint32(f[38:42]), []byte("?")))
	b.toClient(icmp(vipAlone, ping.src.Addr().String(), packet.ICMPEchoReply, 0, ping.rest,
		[]byte("?")).hop())
}

// TestResetsOfAMixture: with reset_unknown = "two-way" a packet of no session is answered only if
// the answers of all real servers pass the director.
func TestResetsOfAMixture(t *testing.T) {
	s := twoArm4
	for _, all := range mixtures {
		v := s.mixture(all)
		v.Protocol, v.Address = lvs.TCP, at4(webVIP)
		n := s.serving(v)
		n.ResetUnknown = ResetTwoWay
		b := newBed(t, s, n)
		b.worker.youth.tcp = true
		b.fromClient(tcp(client, webVIP, "A"))
		answered := !slices.ContainsFunc(all, func(m modes.Mode) bool { return !m.TwoWay() })
		if got := len(collect(b.ports[0])) == 1; got != answered {
			t.Errorf("%v: answered %t, want %t", all, got, answered)
		}
	}
}

// TestRoutedHostsOfAMixture: with route_unmatched only nat real servers' own packets are routed.
func TestRoutedHostsOfAMixture(t *testing.T) {
	s := twoArm4
	hosts := func(b *bed) (of []modes.Mode) {
		for i, h := range s.servers {
			snap := b.engine.snap.Load()
			if _, has := snap.natHosts.get(addressKey(packet.AddrOf(h.addr))); has {
				of = append(of, snap.servers[i].mode)
			}
		}
		return of
	}
	all := mixtures[len(mixtures)-1]
	n := s.serving(s.mixture(all))
	n.RouteUnmatched = true
	b := newBed(t, s, n)
	if got := hosts(b); !slices.Equal(got, []modes.Mode{modes.NAT}) {
		t.Errorf("routed: %v", got)
	}
	n.Services[0] = s.mixture([]modes.Mode{modes.NAT, modes.NAT, modes.FullNAT, modes.DR})
	n.Services[0].RealServers[0].Address = netip.AddrPortFrom(s.servers[0].addr, 7)
	b.apply(n)
	if got := len(hosts(b)); got != 2 {
		t.Errorf("%d routed hosts after the change, want 2", got)
	}
}

// TestReportOfAMixture: a report has the mode of each real server, and local ports of those alone
// that use some.
func TestReportOfAMixture(t *testing.T) {
	s := twoArm4
	all := mixtures[len(mixtures)-1]
	b := newBed(t, s, s.serving(s.mixture(all)))
	for i, rs := range b.engine.Report().Services[0].RealServers {
		if rs.Mode != all[i] || (len(rs.Locals) > 0) != (all[i] == modes.FullNAT) {
			t.Errorf("real server %d: mode %v, %d local addresses; want %v", i, rs.Mode, len(rs.Locals),
				all[i])
		}
	}
}
