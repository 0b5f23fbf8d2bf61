package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// What TestTraffic sends. The numbers are multiples of all sums of weights.
const (
	requests = 300
	echoes   = 120
	transfer = 8 << 20
)

// TestTraffic sends real HTTP and UDP traffic through every mode and topology: one arm by rr, two
// arms by wrr.
func TestTraffic(t *testing.T) {
	for _, mode := range lab.Modes() {
		for arms := 1; arms <= 2; arms++ {
			name, c, weights := mode.String()+"/one-arm", lab.Config{Mode: mode, Arms: 1, Scheduler: lvs.RR}, [3]int{1, 1, 1}
			if arms == 2 {
				weights = [3]int{1, 2, 3}
				name, c = mode.String()+"/two-arm", lab.Config{Mode: mode, Arms: 2, Scheduler: lvs.WRR, Weights: weights[:]}
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := newBed(t, c)
				b.checkAnswers("tcp", b.get(requests), weights)
				b.checkAnswers("udp", b.echo(echoes), weights)
				b.transfer()
				b.checkTraffic(b.stopDirector(), weights)
			})
		}
	}
}

// TestTraffic6 sends the same over IPv6, and from IPv6 clients to IPv4 real servers.
func TestTraffic6(t *testing.T) {
	configs := []lab.Config{{Mode: lvs.FullNAT, Arms: 2, Family: lab.IPv6To4}}
	for _, mode := range lab.Modes() {
		configs = append(configs, lab.Config{Mode: mode, Arms: 1, Family: lab.IPv6}, lab.Config{Mode: mode, Arms: 2, Family: lab.IPv6, Workers: 2})
	}
	for _, c := range configs {
		t.Run(fmt.Sprintf("%s/%s/%d-arm/%d", c.Mode, c.Family, c.Arms, max(c.Workers, 1)), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, c)
			b.checkAnswers("tcp", b.get(requests/2), [3]int{1, 1, 1})
			b.checkAnswers("udp", b.echo(echoes/2), [3]int{1, 1, 1})
			b.transfer()
			r := b.stopDirector()
			delete(r.Drops, "too_big") // the director answers so until hosts have learnt their MTU
			same(t, "drops", r.Drops, map[string]uint64{})
		})
	}
}

// TestTrafficOverWorkers sends traffic through directors with several workers, on a driver that
// brings packets to any of them. Shares stay exact, nothing is lost, and every worker forwards a
// part. It does not run beside other labs, whose workers would use the same few CPUs.
func TestTrafficOverWorkers(t *testing.T) {
	for _, mode := range lab.Modes() {
		for arms, workers := range map[int]int{1: 4, 2: 2} {
			t.Run(fmt.Sprint(mode, "/", workers), func(t *testing.T) {
				b := newBed(t, lab.Config{Mode: mode, Arms: arms, Workers: workers})
				b.checkAnswers("tcp", b.get(requests/2), [3]int{1, 1, 1})
				b.checkAnswers("udp", b.echo(echoes/2), [3]int{1, 1, 1})
				b.transfer()
				b.checkWorkers(b.stopDirector(), workers)
			})
		}
	}
}

// checkWorkers checks that each worker has sent packets and taken packets over from each other one,
// and that none got lost.
func (b *bed) checkWorkers(r *lab.Report, workers int) {
	b.t.Helper()
	same(b.t, "workers", len(r.Workers), workers)
	for i, w := range r.Workers {
		if w.Transmitted == 0 || w.TakenOver == 0 {
			b.t.Errorf("worker %d: %+v", i, w)
		}
		for to, n := range w.HandedOver {
			if (n == 0) != (to == i) {
				b.t.Errorf("worker %d handed %d packets to worker %d", i, n, to)
			}
		}
	}
	delete(r.Drops, "too_big") // ipip answers so until the client has learnt its MTU
	same(b.t, "drops", r.Drops, map[string]uint64{})
}

// checkAnswers compares what real servers saw with what the mode promises: exact shares, and the
// client's address or a local one.
func (b *bed) checkAnswers(protocol string, answers []lab.Answer, weights [3]int) {
	b.t.Helper()
	same(b.t, protocol+" answers by real server", spread(answers), share(len(answers), weights))
	allowed := b.Clients()
	if b.config.Mode == lvs.FullNAT {
		allowed = b.LocalAddresses()
	}
	seen := map[netip.Addr]int{}
	for _, a := range answers {
		seen[a.Client.Addr()]++
	}
	if len(seen) != len(allowed) {
		b.t.Errorf("%s: real servers saw %v; each of %v was wanted", protocol, seen, allowed)
	}
	for address := range seen {
		if !slices.Contains(allowed, address) {
			b.t.Errorf("%s: real servers saw %v, which is none of %v", protocol, address, allowed)
		}
	}
}

// transfer moves some MiB in each direction and compares checksums.
func (b *bed) transfer() {
	b.t.Helper()
	c := b.client(lab.ClientConfig{})
	for name, move := range map[string]func(context.Context, int64) (lab.Transfer, error){"upload": c.Upload, "download": c.Download} {
		ctx, cancel := context.WithTimeout(b.t.Context(), patience)
		got, err := move(ctx, transfer)
		cancel()
		if err != nil || !got.Verified || got.Bytes != transfer {
			b.t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// checkTraffic compares the director's counts with what was sent. In dr and ipip no answer passes
// the director. Only ipip may drop: packets that are too long for the tunnel, until the client has
// learnt its MTU.
func (b *bed) checkTraffic(r *lab.Report, weights [3]int) {
	b.t.Helper()
	const transfers = 2
	web, echo := r.Services[0], r.Services[1]
	same(b.t, "TCP sessions", web.Connections, requests+transfers)
	same(b.t, "UDP sessions", echo.Connections, echoes)
	for i, rs := range echo.RealServers {
		same(b.t, "UDP sessions of "+rs.Address, rs.Connections, uint64(share(echoes, weights)[i]))
		same(b.t, "UDP packets to "+rs.Address, rs.InPackets, rs.Connections)
	}
	if passed := r.OutPackets() > 0; passed != b.config.Mode.TwoWay() {
		b.t.Errorf("%d answers passed the director", r.OutPackets())
	}
	tooBig := r.Drops["too_big"]
	if b.config.Mode == lvs.IPIP && tooBig > 0 {
		delete(r.Drops, "too_big")
	}
	if len(r.Drops) > 0 || tooBig == 0 && b.config.Mode == lvs.IPIP {
		b.t.Errorf("dropped %v, too_big %d", r.Drops, tooBig)
	}
}

// TestTwoLabs has traffic on two labs at once. It removes one and goes on with the other.
func TestTwoLabs(t *testing.T) {
	t.Parallel()
	first, second := newBed(t, lab.Config{Mode: lvs.NAT, Arms: 1}), newBed(t, lab.Config{Mode: lvs.FullNAT, Arms: 2})
	var group sync.WaitGroup
	for _, b := range []*bed{first, second} {
		client := b.client(lab.ClientConfig{})
		group.Go(func() {
			var answers []lab.Answer
			for range 90 {
				a, err := client.Get(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				answers = append(answers, a)
			}
			same(t, "answers of "+b.ID(), spread(answers), [3]int{30, 30, 30})
		})
	}
	group.Wait()
	same(t, "drops", first.stopDirector().Drops, map[string]uint64{})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, "answers of the other", spread(second.get(30)), [3]int{10, 10, 10})
	same(t, "drops of the other", second.stopDirector().Drops, map[string]uint64{})
}

// TestLeastConnections opens connections that stay open: lc evens them out, wlc by weight.
func TestLeastConnections(t *testing.T) {
	for scheduler, weights := range map[lvs.Scheduler][3]int{lvs.LC: {1, 1, 1}, lvs.WLC: {1, 2, 3}} {
		t.Run(scheduler.String(), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, lab.Config{Mode: lvs.DR, Scheduler: scheduler, Weights: weights[:]})
			var answers []lab.Answer
			for range 60 {
				a, err := b.client(lab.ClientConfig{KeepAlive: true}).Get(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				answers = append(answers, a)
			}
			got, want := spread(answers), share(60, weights)
			for i := range got {
				if got[i] < want[i]-2 || got[i] > want[i]+2 {
					t.Errorf("open connections %v, want about %v", got, want)
				}
			}
			same(t, "drops", b.stopDirector().Drops, map[string]uint64{})
		})
	}
}
