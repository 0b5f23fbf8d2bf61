package memory

import (
	"encoding/binary"
	"runtime"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/packet"
	"fulcrum/ports"
)

// newNIC returns a port with RSS over the given number of queues.
func newNIC(t *testing.T, queues int, c ports.RSSConfig) *Port {
	t.Helper()
	c.Key = ports.SymmetricKey(ports.LeastKey)
	for i := range 128 {
		c.Table = append(c.Table, uint16(i%queues))
	}
	rss, err := ports.NewRSS(c)
	if err != nil {
		t.Fatal(err)
	}
	return newPort(t, Config{Queues: queues, RSS: rss})
}

// frameOf returns the shortest frame of a flow whose headers Parse accepts.
func frameOf(k packet.Key4, fragment bool) []byte {
	frame := make([]byte, packet.MinFrameLen)
	packet.Ethernet(frame).SetType(packet.EtherTypeIPv4)
	ip := packet.IPv4(frame[packet.EthernetLen:])
	ip.Encode(packet.IPv4Fields{
		TotalLength: 46, TTL: 64, Protocol: k.Protocol, Src: k.Src, Dst: k.Dst,
	})
	if fragment {
		ip.SetChecksum(packet.Delta(0).Change16(0, 1).Apply(ip.Checksum()))
		binary.BigEndian.PutUint16(ip[6:], 1)
	}
	transport := frame[packet.EthernetLen+packet.IPv4MinLen:]
	packet.TCP(transport).SetSrcPort(k.SrcPort)
	packet.TCP(transport).SetDstPort(k.DstPort)
	if k.Protocol == packet.ProtocolTCP {
		transport[12] = 5 << 4
	} else {
		transport[5] = packet.UDPLen
	}
	return frame
}

// received returns the one packet that waits in any of the queues.
func received(t *rapid.T, p *Port) ports.Packet {
	var found ports.Packet
	n := 0
	for i := range p.Queues() {
		var rx ports.Burst
		p.Queue(i).Exchange(nil, nil, &rx)
		if n += rx.N; rx.N > 0 {
			found = rx.Packets[0]
		}
		p.Queue(i).Exchange(nil, &rx, nil)
	}
	if n != 1 {
		t.Fatalf("%d packets were received; want 1", n)
	}
	return found
}

// TestReceiveSpreadsByHash checks that frames reach the queue that the RSS predicts.
func TestReceiveSpreadsByHash(t *testing.T) {
	for _, spread := range []ports.Spread{
		ports.SpreadFlow, ports.SpreadSource, ports.SpreadDestination,
	} {
		p := newNIC(t, 4, ports.RSSConfig{Spread: spread, Types: ports.AllHashTypes})
		rapid.Check(t, func(t *rapid.T) {
			protocols := []uint8{packet.ProtocolTCP, packet.ProtocolUDP, packet.ProtocolICMP, 47}
			k := packet.Key4{Protocol: rapid.SampledFrom(protocols).Draw(t, "protocol")}
			k.Src, k.Dst = rapid.Uint32().Draw(t, "src"), rapid.Uint32().Draw(t, "dst")
			k.SrcPort, k.DstPort = rapid.Uint16().Draw(t, "srcPort"), rapid.Uint16().Draw(t, "dstPort")
			fragment := rapid.Bool().Draw(t, "fragment")
			if !p.Receive(frameOf(k, fragment)) {
				t.Fatal("no buffer")
			}
			if fragment {
				k.Protocol = 0
			}
			got, want := received(t, p), p.RSS().Flow4(&k)
			if got.Hash != want || got.RxFlags != ports.RxHash || int(got.Queue) != p.RSS().Queue(want) {
				t.Errorf("%v: %+v; want hash %#x", spread, got, want)
			}
		})
	}
}

// TestAnswersMeetTheirQuestions spreads by source on one side and by destination on the other.
// Both directions of a session with a rewritten destination must then reach one queue.
func TestAnswersMeetTheirQuestions(t *testing.T) {
	front := newNIC(t, 4, ports.RSSConfig{Spread: ports.SpreadSource, Types: ports.AllHashTypes})
	back := newNIC(t, 4, ports.RSSConfig{Spread: ports.SpreadDestination, Types: ports.AllHashTypes})
	if !front.RSS().Agrees(back.RSS()) {
		t.Error("they do not agree")
	}
	used := map[uint16]bool{}
	rapid.Check(t, func(t *rapid.T) {
		client, port := rapid.Uint32().Draw(t, "client"), rapid.Uint16().Draw(t, "port")
		question := packet.Key4{Protocol: packet.ProtocolTCP, Flow4: packet.Flow4{
			Src: client, SrcPort: port, Dst: 0x0a000064, DstPort: 80,
		}}
		answer := packet.Key4{Protocol: packet.ProtocolTCP, Flow4: packet.Flow4{
			Src: 0x0a010002, SrcPort: 8080, Dst: client, DstPort: port,
		}}
		front.Receive(frameOf(question, false))
		back.Receive(frameOf(answer, false))
		q, a := received(t, front), received(t, back)
		used[q.Queue] = true
		if q.Queue != a.Queue {
			t.Errorf("question on queue %d, answer on queue %d", q.Queue, a.Queue)
		}
	})
	if len(used) < 2 {
		t.Errorf("only queues %v were used", used)
	}
}

// TestWhatIsNotHashed checks that packets without a flow reach queue 0 without a hash.
func TestWhatIsNotHashed(t *testing.T) {
	p := newNIC(t, 4, ports.RSSConfig{Types: ports.AllHashTypes})
	arp := make([]byte, packet.MinFrameLen)
	packet.Ethernet(arp).SetType(packet.EtherTypeARP)
	for _, frame := range [][]byte{arp, {}, make([]byte, packet.EthernetLen)} {
		p.Receive(frame)
		var rx ports.Burst
		p.Queue(0).Exchange(nil, nil, &rx)
		if rx.N != 1 || rx.Packets[0].RxFlags != 0 || rx.Packets[0].Hash != 0 {
			t.Errorf("%x: %d packets on queue 0, %+v", frame, rx.N, rx.Packets[0])
		}
		p.Queue(0).Exchange(nil, &rx, nil)
	}
}

// TestReceiveByARuleOfItsOwn checks that Choose takes effect and is not reported.
func TestReceiveByARuleOfItsOwn(t *testing.T) {
	p := newPort(t, Config{Queues: 3, Choose: func(frame []byte) int { return int(frame[0]) }})
	if p.RSS() != nil || p.Queues() != 3 {
		t.Errorf("%d queues, RSS %v", p.Queues(), p.RSS())
	}
	p.Receive([]byte{2})
	var rx ports.Burst
	p.Queue(2).Exchange(nil, nil, &rx)
	if rx.N != 1 || rx.Packets[0].Queue != 2 || rx.Packets[0].RxFlags != 0 {
		t.Errorf("%d packets, %+v", rx.N, rx.Packets[0])
	}
	p.Queue(2).Exchange(nil, &rx, nil)
	if q := newPort(t, Config{}); !q.Receive([]byte("x")) || q.Pending() != 1 {
		t.Error("a port of one queue does not receive")
	}
	if newPort(t, Config{Pool: newPool(t, 1)}).Receive(make([]byte, BufferSize)) {
		t.Error("a frame that does not fit was received")
	}
}

// TestWorkersFreeForEachOther runs a worker for each queue, under the race detector. Each sends
// one packet of a burst and lets the next worker free the rest.
func TestWorkersFreeForEachOther(t *testing.T) {
	const frames, queues = 500, 4
	p := newNIC(t, queues, ports.RSSConfig{Types: ports.AllHashTypes})
	var handed [queues]chan ports.Burst
	for i := range handed {
		handed[i] = make(chan ports.Burst, frames)
	}
	var seen sync.WaitGroup
	seen.Add(frames)
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for i := range queues {
		workers.Go(func() {
			for {
				var tx, rx ports.Burst
				p.Queue(i).Exchange(nil, nil, &rx)
				if rx.N > 0 {
					tx.Push(&rx.Packets[0])
					seen.Add(-rx.N)
					rx.Consume(1)
					p.Queue(i).Exchange(&tx, nil, nil)
					handed[(i+1)%queues] <- rx
				}
				select {
				case free := <-handed[i]:
					p.Queue(i).Exchange(nil, &free, nil)
				case <-stop:
					return
				default:
					runtime.Gosched()
				}
			}
		})
	}
	for i := range uint32(frames) {
		k := packet.Key4{Protocol: packet.ProtocolTCP, Flow4: packet.Flow4{
			Src: i * 2654435761, Dst: 1, SrcPort: uint16(i), DstPort: 80,
		}}
		for !p.Receive(frameOf(k, false)) {
			p.Collect(int(i) % queues)
		}
		p.Collect(int(i) % queues)
	}
	seen.Wait()
	close(stop)
	workers.Wait()
	for i := range queues {
		close(handed[i])
		for free := range handed[i] {
			p.Queue(i).Exchange(nil, &free, nil)
		}
	}
	if s, _ := p.Stats(); s.RxPackets != frames || s.TxPackets == 0 {
		t.Errorf("%+v", s)
	}
}
