package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// crowdOfVIPs returns settings with so many VIPs, from 10.0.1.0 on, each of one service.
func crowdOfVIPs(s site, n int) Settings {
	settings := s.settings()
	for i := range n {
		v := s.web(modes.DR, 0)
		a := packet.AddrFrom4(10<<24 | 1<<8 + uint32(i))
		if s.is6 {
			a = six(a)
		}
		v.Name, v.Address = fmt.Sprint("vip ", i), netip.AddrPortFrom(a, 80)
		settings.Services = append(settings.Services, v)
	}
	return settings
}

// announcedIn lets time pass and returns when each frame of a port was sent, by what it announces.
func (b *bed) announcedIn(port int, ms int) (times []uint32, byAddress map[packet.Addr][]packet.ARPOp) {
	b.Helper()
	byAddress = map[packet.Addr][]packet.ARPOp{}
	for range ms / 5 {
		b.turnAll()
		for _, f := range collect(b.ports[port]) {
			a, form := readAnnouncement(b.TB, f)
			times = append(times, b.now)
			byAddress[a] = append(byAddress[a], form)
		}
		b.now += 5
	}
	return times, byAddress
}

// readAnnouncement returns the address that a frame announces, and the form: a request for an
// advertisement.
func readAnnouncement(t testing.TB, f []byte) (packet.Addr, packet.ARPOp) {
	t.Helper()
	e := packet.Ethernet(f)
	if e.Type() == packet.EtherTypeARP {
		a := packet.ARP(f[packet.EthernetLen:])
		if e.Dst() != packet.Broadcast || a.SenderIP() != a.TargetIP() || a.SenderMAC() != e.Src() {
			t.Fatalf("no announcement:\n%s", dump(f))
		}
		return packet.AddrOf4(a.SenderIP()), a.Op()
	}
	n, ok := packet.ParseND(packet.IPv6(f[packet.EthernetLen:]), packet.IPv6Len)
	if !ok || n.Type != packet.ICMP6Advertisement || n.Dst != packet.AllNodes || n.LinkLayer != e.Src() {
		t.Fatalf("no announcement:\n%s", dump(f))
	}
	return n.Target, packet.ARPRequest
}

// mostInASecond returns how many of some times lie within one second, at most.
func mostInASecond(times []uint32) (most int) {
	for i, first := range times {
		n := 0
		for _, at := range times[i:] {
			if at-first < 1000 {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// TestManyAnnouncements: 1,000 VIPs are all announced within 12 seconds, in both forms and as often
// as configured, at most 100 frames a second, whether one worker runs or two.
func TestManyAnnouncements(t *testing.T) {
	request, reply := packet.ARPRequest, packet.ARPReply
	for _, tt := range []struct {
		name    string
		site    site
		workers int
		times   int
		want    []packet.ARPOp
	}{
		{"twice", oneArm, 1, 0, []packet.ARPOp{request, reply, request, reply}},
		{"twice, two workers", oneArm, 2, 2, []packet.ARPOp{request, reply, request, reply}},
		{"once", oneArm, 1, 1, []packet.ARPOp{request, reply}},
		{"three times, IPv6", oneArm.twin(), 1, 3, []packet.ARPOp{request, request, request}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := crowdOfVIPs(tt.site, 1000)
			n.Announcements = tt.times
			b := newSilentBed(t, tt.site, n, crowd(tt.workers))
			times, _ := b.announcedIn(0, 12_000)
			more, seen := b.announcedIn(0, 60_000)
			first := packet.AddrOf(n.Services[999].Address.Addr())
			if len(times) <= 1000 {
				t.Errorf("only %d frames in 12 s", len(times))
			}
			if most := mostInASecond(append(times, more...)); most > 100 {
				t.Errorf("%d frames in a second", most)
			}
			if all := len(times) + len(more); all != 1001*len(tt.want) {
				t.Errorf("%d frames about %d addresses, want %d of each", all, 1001, len(tt.want))
			}
			if got := seen[first]; len(got) >= len(tt.want) {
				t.Errorf("the last address was not announced in the first 12 s: %v", got)
			}
			b.quiet()
		})
	}
}

// TestEachFormOfEachAddress: every address gets the frames of its family in their order, the second
// announcement not before two seconds have passed.
func TestEachFormOfEachAddress(t *testing.T) {
	request, reply := packet.ARPRequest, packet.ARPReply
	b := newSilentBed(t, oneArm, crowdOfVIPs(oneArm, 4))
	_, first := b.announcedIn(0, 1990)
	_, second := b.announcedIn(0, 10_000)
	for _, seen := range []map[packet.Addr][]packet.ARPOp{first, second} {
		if len(seen) != 5 {
			t.Fatalf("announced %v", seen)
		}
		for a, got := range seen {
			if !slices.Equal(got, []packet.ARPOp{request, reply}) {
				t.Errorf("%v: %v", a, got)
			}
		}
	}
}

// TestQueuedAddressesThatGo: an address that is removed, or whose VIP becomes passive, while its
// announcement waits is not announced any more, and takes nothing from those that stay. One that is
// added meanwhile is announced before those that were announced once.
func TestQueuedAddressesThatGo(t *testing.T) {
	s := oneArm
	n := crowdOfVIPs(s, 300)
	b := newSilentBed(t, s, n)
	_, begun := b.announcedIn(0, 500)
	gone, silent := n.Services[250], n.Services[251]
	silent.Silent = true
	b.engine.Change(Change{Remove: []lvs.ServiceID{gone.ID()}, Put: []Service{silent}})
	_, seen := b.announcedIn(0, 3500)
	for _, v := range []Service{gone, silent} {
		if a := packet.AddrOf(v.Address.Addr()); len(begun[a])+len(seen[a]) > 0 {
			t.Errorf("%v was announced: %v", a, seen[a])
		}
	}
	late := s.web(modes.DR, 0)
	b.engine.Change(Change{Put: []Service{late}})
	_, soon := b.announcedIn(0, 200)
	if len(soon[packet.AddrOf(late.Address.Addr())]) != 1 {
		t.Errorf("the new address waits for the others: %v", soon)
	}
	_, rest := b.announcedIn(0, 30_000)
	if a := packet.AddrOf(n.Services[299].Address.Addr()); len(seen[a])+len(soon[a])+len(rest[a]) != 4 {
		t.Errorf("%v was announced in %v, then %v", a, seen[a], rest[a])
	}
	if left := len(b.engine.announcements.ports[0].tasks); left != 0 {
		t.Errorf("%d addresses are still being announced", left)
	}
}

// TestAnnouncesAgain: after a link came back, the addresses of that port alone are announced again,
// without passive VIPs.
func TestAnnouncesAgain(t *testing.T) {
	s := twoArm
	silent := s.echo(modes.FullNAT, 1)
	silent.Address, silent.Silent = netip.MustParseAddrPort("10.0.0.101:7"), true
	b := newBed(t, s, s.serving(s.web(modes.FullNAT, 1), silent))
	b.engine.AnnounceAgain(0)
	b.turn()
	b.sent(0, announcement4(s.as(0, "10.0.0.1"), s.as(0, vipAlone))...)
	b.quiet()
	b.wait(announceInterval)
	b.sent(0, announcement4(s.as(0, "10.0.0.1"), s.as(0, vipAlone))...)
	b.engine.AnnounceAgain(1)
	b.turn()
	b.sent(1, announcement4(s.as(1, "10.1.0.1"), s.as(1, "10.1.0.50"), s.as(1, "10.1.0.51"))...)
	b.quiet()
}

// TestAnnouncementsWithoutBuffers: what cannot be sent for want of buffers is sent later.
func TestAnnouncementsWithoutBuffers(t *testing.T) {
	s := oneArm
	b := newSilentBed(t, s, crowdOfVIPs(s, 20), func(c *bedConfig) { c.buffers = 8 })
	var taken ports.Burst
	q := b.ports[0].Queue(0)
	for q.Alloc(&taken, 60) {
	}
	if times, _ := b.announcedIn(0, 1000); len(times) != 0 {
		t.Fatalf("%d frames without a buffer", len(times))
	}
	q.Exchange(nil, &taken, nil)
	if times, _ := b.announcedIn(0, 20_000); len(times) != 4*21 {
		t.Errorf("%d frames, want %d", len(times), 4*21)
	}
}

// TestPace: any time of a window lets ten frames pass, also where the clock's number overflows.
func TestPace(t *testing.T) {
	var p pace
	for _, start := range []uint32{5000, 1<<32 - 55} {
		for i := range paceFrames {
			if !p.take(start + uint32(i)) {
				t.Errorf("frame %d has to wait", i)
			}
		}
		if p.take(start + paceWindow - 1) {
			t.Error("one frame too many")
		}
		if !p.take(start + paceWindow) {
			t.Error("a frame waits after its time")
		}
	}
}

// TestTaskList: tasks leave a list from anywhere, and go from one list to another.
func TestTaskList(t *testing.T) {
	var one, other taskList
	tasks := make([]task, 4)
	for i := range tasks {
		tasks[i].frames = i
		one.push(&tasks[i])
	}
	order := func(l *taskList) (all []int) {
		for t := l.first; t != nil; t = t.behind {
			all = append(all, t.frames)
		}
		return all
	}
	other.push(&tasks[1]) // from the middle
	other.push(&tasks[0]) // the first
	other.push(&tasks[3]) // the last
	tasks[0].leave()
	tasks[0].leave() // from no list
	one.push(&tasks[2])
	if got, rest := order(&other), order(&one); !slices.Equal(got, []int{1, 3}) ||
		!slices.Equal(rest, []int{2}) || one.last != &tasks[2] || other.last != &tasks[3] {
		t.Errorf("lists %v and %v", got, rest)
	}
	tasks[2].leave()
	if one != (taskList{}) {
		t.Errorf("%+v is not empty", one)
	}
}
