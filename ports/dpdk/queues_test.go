package dpdk

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fulcrum/packet"
	"fulcrum/ports"
)

// Each queue of net_ring is a ring of its own: packets come back on the queue that sent them, no
// matter which queue allocated them.
func TestRingQueuesAreApart(t *testing.T) {
	p := ring(t, PortConfig{Queues: 4})
	if p.Queues() != 4 || p.RSS() != nil {
		t.Fatalf("%d queues, RSS %v", p.Queues(), p.RSS())
	}
	wantNote(t, p, "net_ring0 spreads packets over its queues by an unknown rule")
	for i := range 4 {
		var tx ports.Burst
		allocate(t, p.Queue((i+1)%4), &tx, fmt.Appendf(nil, "queue %d", i))
		send(t, p.Queue(i), &tx)
	}
	for i := range 4 {
		rx := receive(t, p.Queue(i), anyPacket)
		got := string(rx.Packets[0].Bytes())
		if got != fmt.Sprintf("queue %d", i) || int(rx.Packets[0].Queue) != i {
			t.Errorf("queue %d received %q, %+v", i, got, rx.Packets[0])
		}
		p.Queue((i+2)%4).Exchange(nil, &rx, nil)
	}
}

// Workers use their queues at the same time and free each other's packets.
func TestWorkersSideBySide(t *testing.T) {
	const workers, rounds = 4, 200
	e, p := sharedEAL(t), ring(t, PortConfig{Queues: workers})
	var handed [workers]chan ports.Burst
	for i := range handed {
		handed[i] = make(chan ports.Burst, 1)
	}
	var running sync.WaitGroup
	for i := range workers {
		running.Go(func() {
			onWorker(t, e, func() {
				var tx, rx ports.Burst
				for range rounds {
					for range ports.MaxBurst {
						p.Queue(i).Alloc(&tx, 60)
					}
					p.Queue(i).Exchange(&tx, nil, &rx)
					handed[(i+1)%workers] <- rx
					other := <-handed[i]
					p.Queue(i).Exchange(nil, &other, nil)
				}
			})
		})
	}
	running.Wait()
	s, err := p.Stats()
	if err != nil || s.RxPackets != workers*rounds*ports.MaxBurst || s.RxPackets != s.TxPackets {
		t.Errorf("%+v, %v", s, err)
	}
}

// Several workers send through one queue, and one of them receives.
func TestSharedRing(t *testing.T) {
	const workers, rounds, each = 3, 200, 8
	e, p := sharedEAL(t), ring(t, PortConfig{})
	q := ports.NewShared(p.Queue(0))
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			onWorker(t, e, func() {
				var tx ports.Burst
				for range rounds {
					for range each {
						q.Alloc(&tx, 60)
					}
					send(t, q, &tx)
				}
			})
		})
	}
	onWorker(t, e, func() {
		for n := 0; n < workers*rounds*each; {
			rx := receive(t, q, anyPacket)
			n += rx.N
			q.Exchange(nil, &rx, nil)
		}
	})
	running.Wait()
}

// net_ring has 16 queues.
func TestFewerQueuesThanWorkers(t *testing.T) {
	p := ring(t, PortConfig{Queues: 20, RxDescriptors: 64, TxDescriptors: 64})
	if p.Queues() != 16 {
		t.Errorf("%d queues", p.Queues())
	}
	wantNote(t, p, "net_ring0 has only 16 queues for 20 workers")
}

func TestSocketsForQueues(t *testing.T) {
	for _, c := range []struct {
		device  string
		workers int
		want    string
		notes   int
	}{
		{"net_af_packet0,iface=eth1", 1, "net_af_packet0,iface=eth1", 0},
		{"net_af_packet0,iface=eth1", 4, "net_af_packet0,iface=eth1,qpairs=4", 0},
		{"net_af_packet0,qpairs=2,iface=eth1", 4, "net_af_packet0,qpairs=2,iface=eth1", 0},
		{"net_af_packet0,qpairs=4,iface=eth1", 2, "net_af_packet0,iface=eth1,qpairs=2", 1},
		{"net_af_packet0,qpairs=4,iface=eth1", 1, "net_af_packet0,iface=eth1,qpairs=1", 1},
		{"net_af_packet0,qpairs=many,iface=eth1", 2, "net_af_packet0,qpairs=many,iface=eth1", 0},
		{"net_tap0,iface=tap0", 4, "net_tap0,iface=tap0", 0},
		{"3b:00.0", 4, "0000:3b:00.0", 0},
	} {
		p := &port{device: parseDevice(c.device), workers: c.workers}
		p.spreadOverSockets()
		iface := parseDevice(c.device).kernelInterface()
		if p.device.text != c.want || p.device.kernelInterface() != iface || len(p.notes) != c.notes {
			t.Errorf("%s for %d workers: %+v, notes %q", c.device, c.workers, p.device, p.notes)
		}
	}
}

// The kernel spreads flows over the sockets of net_af_packet. Each flow stays with one socket.
func TestVethSpreadsFlows(t *testing.T) {
	for _, queues := range []int{2, 4} {
		t.Run(fmt.Sprint(queues), func(t *testing.T) {
			inVeth(t, func(near, far *net.Interface) {
				p := open(t, PortConfig{
					Name: "front", Device: "net_af_packet0,iface=" + near.Name, Queues: queues,
				})
				defer p.Close()
				wantNote(t, p, "net_af_packet0 spreads packets over its queues by an unknown rule")
				spreadsFlows(t, p, far, queues)
				everyQueueSends(t, p, packetSocket(t, far))
			})
		})
	}
}

// Sockets without a reader would lose packets.
func TestVethReadsAllSockets(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,qpairs=4,iface=" + near.Name})
		defer p.Close()
		spreadsFlows(t, p, far, 1)
	})
}

func TestVethWithFewerQueuesThanWorkers(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		p := open(t, PortConfig{
			Name: "front", Device: "net_af_packet0,qpairs=2,iface=" + near.Name, Queues: 3,
		})
		defer p.Close()
		if p.Queues() != 2 {
			t.Errorf("%d queues", p.Queues())
		}
		wantNote(t, p, "net_af_packet0 has only 2 queues for 3 workers, "+
			"so workers hand packets over to each other (more with qpairs=N")
	})
}

// The kernel's tun driver spreads flows for net_tap in the same way.
func TestTapSpreadsFlows(t *testing.T) {
	inVeth(t, func(*net.Interface, *net.Interface) {
		p := open(t, PortConfig{Name: "front", Device: "net_tap0,iface=front", Queues: 4})
		defer p.Close()
		wantNote(t, p, "net_tap0 spreads packets over its queues by an unknown rule")
		front := up(t, "front")
		spreadsFlows(t, p, front, 4)
		everyQueueSends(t, p, packetSocket(t, front))
	})
}

const testFlows = 64

// spreadsFlows sends packets of many flows, each flow twice. All must arrive, over the given
// number of queues, and each flow on one queue.
func spreadsFlows(t *testing.T, p ports.Port, peer *net.Interface, queues int) {
	t.Helper()
	sendFlows(t, peer)
	sendFlows(t, peer)
	queueOf := map[uint16]uint16{}
	used := map[uint16]bool{}
	for n := 0; n < 2*testFlows; {
		rx, q := receiveAnywhere(t, p, isFlowFrame)
		for i := range rx.Slice() {
			flow := binary.BigEndian.Uint16(rx.Packets[i].Bytes()[34:])
			if before, seen := queueOf[flow]; seen && before != rx.Packets[i].Queue {
				t.Errorf("flow %d was received on queues %d and %d", flow, before, rx.Packets[i].Queue)
			}
			queueOf[flow] = rx.Packets[i].Queue
			used[rx.Packets[i].Queue] = true
		}
		n += rx.N
		q.Exchange(nil, &rx, nil)
	}
	if len(used) != queues {
		t.Errorf("%d queues were used: %v", len(used), used)
	}
}

// sendFlows sends a packet of each flow. The socket declares them as IPv4, because the kernel
// looks for flows in known protocols only.
func sendFlows(t *testing.T, peer *net.Interface) {
	t.Helper()
	socket := packetSocket(t, peer)
	to := &unix.SockaddrLinklayer{
		Ifindex: peer.Index, Protocol: unix.ETH_P_IP>>8 | unix.ETH_P_IP&0xff<<8,
	}
	for flow := range uint16(testFlows) {
		if err := unix.Sendto(socket, flowFrame(flow), 0, to); err != nil {
			t.Fatal(err)
		}
	}
}

// receiveAnywhere polls all queues until a wanted packet has come, and frees the others.
func receiveAnywhere(
	t *testing.T, p ports.Port, wanted func(*ports.Packet) bool,
) (ports.Burst, ports.Queue) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		for i := range p.Queues() {
			var rx, match, rest ports.Burst
			p.Queue(i).Exchange(nil, nil, &rx)
			for j := range rx.Slice() {
				if pkt := &rx.Packets[j]; wanted(pkt) {
					match.Push(pkt)
				} else {
					rest.Push(pkt)
				}
			}
			p.Queue(i).Exchange(nil, &rest, nil)
			if match.N > 0 {
				return match, p.Queue(i)
			}
		}
	}
	t.Fatal("no packet came")
	return ports.Burst{}, nil
}

func everyQueueSends(t *testing.T, p ports.Port, peer int) {
	t.Helper()
	mac := p.MAC()
	for i := range p.Queues() {
		var tx ports.Burst
		want := frame(net.HardwareAddr{2, 0, 0, 0, 0, 9}, mac[:], fmt.Sprintf("from queue %d", i))
		allocate(t, p.Queue(i), &tx, want)
		send(t, p.Queue(i), &tx)
		if got := receiveFrom(t, peer); string(got) != string(want) {
			t.Errorf("queue %d sent %x; the peer received %x", i, want, got)
		}
	}
}

// flowFrame returns a UDP packet whose source port is the number of the flow.
func flowFrame(flow uint16) []byte {
	f := make([]byte, packet.MinFrameLen)
	to, from := packet.MAC{2, 0, 0, 0, 0, 1}, packet.MAC{2, 0, 0, 0, 0, 2}
	packet.Ethernet(f).SetHeader(to, from, packet.EtherTypeIPv4)
	packet.IPv4(f[packet.EthernetLen:]).Encode(packet.IPv4Fields{
		TotalLength: 46, TTL: 64, Protocol: packet.ProtocolUDP, Src: 0x0a000001, Dst: 0x0a000002,
	})
	udp := packet.UDP(f[packet.EthernetLen+packet.IPv4MinLen:])
	udp.SetSrcPort(flow)
	udp.SetDstPort(53)
	udp[5] = 26
	return f
}

func isFlowFrame(p *ports.Packet) bool {
	b := p.Bytes()
	return len(b) >= packet.MinFrameLen && packet.Ethernet(b).Type() == packet.EtherTypeIPv4 &&
		b[23] == packet.ProtocolUDP &&
		binary.BigEndian.Uint16(b[36:]) == 53
}
