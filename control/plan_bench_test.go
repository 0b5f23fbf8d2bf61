package control

import (
	"fmt"
	"net/netip"
	"testing"

	"fulcrum/config"
	"fulcrum/lvs"
)

// BenchmarkPlan plans one weight of 10,000 services with ten real servers each.
//
//	go test -run '^$' -bench BenchmarkPlan ./control
func BenchmarkPlan(b *testing.B) {
	old, next := manyServices(10_000, 10), manyServices(10_000, 10)
	next.Services[5_000].RealServers[5].Weight++
	for b.Loop() {
		if p := NewPlan(old, next, nil, nil); len(p.Changes) != 1 {
			b.Fatalf("%d changes, want 1", len(p.Changes))
		}
	}
}

// manyServices returns a configuration with n services, each with its own real servers. Two of them
// share no memory but constants, like two files that were read.
func manyServices(n, servers int) *config.Config {
	c := &config.Config{}
	vip, server := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.128.0.1")
	for i := range n {
		s := config.Service{
			Name: fmt.Sprintf("service-%d", i), Address: netip.AddrPortFrom(vip, 80),
			Protocol: lvs.TCP, Mode: lvs.NAT, Scheduler: lvs.WRR, Echo: true, PersistenceMask: 32,
		}
		for range servers {
			s.RealServers = append(s.RealServers, config.RealServer{
				Address: netip.AddrPortFrom(server, 8080), Weight: 1,
			})
			server = server.Next()
		}
		c.Services = append(c.Services, s)
		vip = vip.Next()
	}
	return c
}
