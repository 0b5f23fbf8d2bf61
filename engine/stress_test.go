package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
)

// TestChangesUnderTraffic: control changes everything at full speed while two workers forward in
// all modes and other goroutines read reports, sessions, neighbours and explanations. No packet
// goes to a real server of another service, and a service's counts never go back. At the end all
// packets, buffers and connections are accounted for.
func TestChangesUnderTraffic(t *testing.T) {
	for _, spread := range []bool{false, true} {
		t.Run(fmt.Sprintf("spread %v", spread), func(t *testing.T) { newStress(t, spread).run() })
	}
}

// stress is a director that several goroutines use at once.
type stress struct {
	*bed
	clock atomic.Uint32
	turns [2]atomic.Uint64 // by worker
	over  atomic.Bool
	fault atomic.Pointer[string]
	all   sync.WaitGroup
}

const stressServices = 8

func newStress(t *testing.T, spread bool) *stress {
	s := &stress{}
	s.bed = newBed(t, twoArm, stressSettings(stressServices), func(c *bedConfig) {
		c.workers, c.sessions, c.buffers = 2, 400, 4096
		if spread {
			spreading(t, 2, byFlow)(c)
		}
	})
	s.clock.Store(s.now)
	return s
}

// stressSettings has services whose real servers have ports of their own, and so do their clients.
func stressSettings(services int) Settings {
	n := twoArm.settings()
	for state := range n.Timeouts {
		n.Timeouts[state] = 2000
	}
	for i := range services {
		n.Services = append(n.Services, stressService(i, allModes[i%len(allModes)]))
	}
	return n
}

func stressService(i int, m modes.Mode) Service {
	v := twoArm.web(m, 3)
	v.Name, v.Scheduler = fmt.Sprint(i), lvs.Schedulers()[i%len(lvs.Schedulers())]
	v.Address = netip.AddrPortFrom(packet.AddrFrom4(0x0a000064+uint32(i%3)), uint16(8000+i))
	for j := range v.RealServers {
		v.RealServers[j].Address = netip.AddrPortFrom(twoArm.servers[j].addr, v.Address.Port())
	}
	return v
}

func (s *stress) run() {
	for i := range s.engine.workers {
		s.all.Go(func() { s.work(i) })
	}
	for _, job := range []func(*rand.Rand){s.send, s.change, s.report, s.look, s.ask} {
		s.all.Go(func() {
			r := rand.New(rand.NewPCG(1, 2))
			for !s.over.Load() {
				job(r)
			}
		})
	}
	length := 2 * time.Second
	if testing.Short() {
		length = 300 * time.Millisecond
	}
	time.Sleep(length) // the length of the test, not a wait for an event
	s.over.Store(true)
	s.all.Wait()
	if f := s.fault.Load(); f != nil {
		s.Fatal(*f)
	}
	s.now = s.clock.Load()
	s.turn()
	if r := s.engine.registry.reuses; r == 0 && !testing.Short() {
		s.Error("no id was given out again")
	}
	s.close()
}

// fail records an error and ends the test. Any goroutine may call it: only the test's own may call
// t.Fatal.
func (s *stress) fail(format string, args ...any) {
	f := fmt.Sprintf(format, args...)
	s.fault.CompareAndSwap(nil, &f)
	s.over.Store(true)
}

func (s *stress) work(i int) {
	defer func() {
		if v := recover(); v != nil {
			s.fail("worker %d: %v", i, v)
		}
	}()
	for w := s.engine.workers[i]; !s.over.Load(); s.turns[i].Add(1) {
		w.Turn(s.clock.Load())
	}
}

// send delivers some clients' packets and the answers to earlier output.
func (s *stress) send(r *rand.Rand) {
	s.clock.Add(3)
	for range 16 {
		i, flags := r.IntN(stressServices), []string{"S", "S", "A", "FA", "R"}[r.IntN(5)]
		v := stressService(i, modes.NAT)
		host, port := packet.AddrFrom4(0xc0a80501+uint32(r.IntN(4))), uint16(1000*(1+i)+r.IntN(40))
		from := netip.AddrPortFrom(host, port)
		s.bring(0, tcp(from.String(), v.Address.String(), flags))
	}
	s.bring(0, echoRequest("192.168.5.9", "10.0.0.100"))
	for _, f := range collect(s.ports[1]) {
		s.arrived(f)
	}
	collect(s.ports[0])
}

func (s *stress) bring(port int, p pkt) {
	f := p.frame(s.site.gateway.mac, s.site.ports[port].mac)
	for !s.over.Load() && !s.ports[port].Receive(f) {
		time.Sleep(time.Microsecond) // the workers have all the buffers
	}
}

// arrived checks a frame on the real servers' side and sends the server's answer.
func (s *stress) arrived(f []byte) {
	var p packet.Parsed
	packet.Parse(f, &p)
	if p.Kind != packet.TCP4 {
		return
	}
	src, dst := flowOf(f)
	clients := netip.MustParsePrefix("192.168.5.0/24")
	i := slices.IndexFunc(s.site.servers, func(h host) bool { return h.addr == dst.Addr() })
	switch mac := packet.Ethernet(f).Dst(); {
	case clients.Contains(src.Addr()) && src.Port()/1000-1 != dst.Port()-8000:
		s.fail("a client of service %d is at %v", src.Port()/1000-1, dst)
	case i >= 0 && mac != s.site.servers[i].mac:
		s.fail("what is for %v went to %v", dst, mac)
	case i >= 0:
		s.bring(1, tcp(dst.String(), src.String(), "SA"))
	}
}

// changing is control's knowledge.
type changing struct {
	settings Settings
	now      time.Time
}

func (s *stress) change(r *rand.Rand) {
	c := &changing{stressSettings(stressServices), time.Now()}
	for !s.over.Load() {
		v := c.edited(r)
		var err error
		switch r.IntN(32) {
		case 0, 1:
			c.edit(v)
			c.moved(r)
			err = s.engine.applyAt(c.settings, c.now)
		case 2, 3, 4, 5:
			if v.ID() != c.settings.Services[0].ID() { // which is never removed
				err = s.engine.changeAt(Change{Remove: []lvs.ServiceID{v.ID()}}, c.now)
			}
		case 6: // Long after, removed services are forgotten; all workers know of it.
			s.clock.Add(publishInterval)
			s.settled()
			c.now = c.now.Add(2 * forgetAfter)
		default:
			c.edit(v)
			err = s.engine.changeAt(Change{Put: []Service{v}}, c.now)
		}
		if err != nil {
			s.fail("%v", err)
		}
	}
}

// edited draws another state of a service.
func (c *changing) edited(r *rand.Rand) Service {
	i := 1 + r.IntN(stressServices-1)
	if r.IntN(3) == 0 {
		v := c.settings.Services[0]
		v.RealServers = stressService(0, v.Mode).RealServers[r.IntN(3):]
		return v
	}
	v := stressService(i, allModes[r.IntN(2)+i%3])
	v.RealServers = v.RealServers[r.IntN(2) : 2+r.IntN(2)]
	for j := range v.RealServers {
		v.RealServers[j].Weight = int32(r.IntN(3))
		v.RealServers[j].UpperThreshold = int32(r.IntN(2) * 5)
	}
	v.Echo = i%3 != 0 || r.IntN(2) == 0
	v.MSS = mssOf(v.RealServers)
	return v
}

// mssOf returns an MSS that belongs to the weights of some real servers.
func mssOf(all []RealServer) uint16 {
	mss := uint16(1400)
	for _, rs := range all {
		mss = 3*mss%1400 + 600 + uint16(rs.Weight)
	}
	return mss
}

func (c *changing) edit(v Service) {
	c.settings.Services = slices.Clone(c.settings.Services)
	for i := range c.settings.Services {
		if c.settings.Services[i].ID() == v.ID() {
			c.settings.Services[i] = v
		}
	}
}

// moved draws another topology and other options.
func (c *changing) moved(r *rand.Rand) {
	c.settings.ExpireNoDest = r.IntN(2) == 0
	c.settings.ResetUnknown = ResetUnknown(r.IntN(3))
	c.settings.Ports = twoArm.settings().Ports
	if r.IntN(2) == 0 {
		p := &c.settings.Ports[0]
		p.Addresses = append(p.Addresses, netip.MustParsePrefix("10.0.0.7/24"))
	}
	c.settings.Neighbours = twoArm.settings().Neighbours[:4+r.IntN(2)]
}

// settled waits until each worker has begun and ended a turn.
func (s *stress) settled() {
	for i := range s.turns {
		for began := s.turns[i].Load(); s.turns[i].Load() < began+3 && !s.over.Load(); {
			time.Sleep(10 * time.Microsecond)
		}
	}
}

// report reads reports: the counts of the service that is never removed do not go back.
func (s *stress) report(*rand.Rand) {
	for last := (Traffic{}); !s.over.Load(); {
		for _, v := range s.engine.Report().Services {
			s.whole(&v)
			if v.Service.Name != "0" {
				continue
			}
			if v.Connections < last.Connections || v.InPackets < last.InPackets ||
				v.OutBytes < last.OutBytes {
				s.fail("counts go back: %+v, then %+v", last, v.Traffic)
			}
			last = v.Traffic
		}
	}
}

// whole checks that a report of a service is of one state of the service.
func (s *stress) whole(v *ServiceReport) {
	if v.Service.Name == "" {
		s.fail("a report of no service: %+v", v)
	}
	var sum Traffic
	var all []RealServer
	for _, rs := range v.RealServers {
		sum.add(rs.Traffic)
		all = append(all, RealServer{Address: rs.Address, Weight: rs.Weight})
	}
	if v.Service.MSS != 0 && v.Service.MSS != mssOf(all) {
		s.fail("the settings and the real servers are of two states: %+v", v)
	}
	if sum.InPackets > v.InPackets || sum.Connections > v.Connections {
		s.fail("the real servers counted %+v, their service %+v", sum, v.Traffic)
	}
}

// look reads what else may be read at any time.
func (s *stress) look(r *rand.Rand) {
	v := stressService(r.IntN(stressServices), modes.NAT)
	s.engine.LocalSessions(v.ID(), twoArm.local[0])
	s.engine.RetiredLocals()
	s.engine.CrowdedLocals(0)
	s.engine.SessionsOf(v.serverID(0))
}

// ask asks the workers.
func (s *stress) ask(r *rand.Rand) {
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	s.all.Go(func() {
		for !s.over.Load() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	})
	v := stressService(r.IntN(stressServices), modes.NAT)
	q := Question{
		Protocol: packet.ProtocolTCP, From: netip.MustParseAddrPort("192.168.5.9:77"), To: v.Address,
		TCPFlags: packet.TCPSyn, Port: -1,
	}
	_, err := s.engine.Explain(ctx, q)
	err = errors.Join(err, s.engine.Sessions(ctx, 0, func(*SessionInfo, Cursor) bool { return true }))
	err = errors.Join(err, s.engine.Neighbours(ctx, func(*NeighbourInfo) {}))
	_, ending := s.engine.EndSessions(ctx, v.serverID(0))
	if errors.Is(ending, ErrNoServer) {
		ending = nil
	}
	if err = errors.Join(err, ending); err != nil && !s.over.Load() {
		s.fail("%v", err)
	}
}
