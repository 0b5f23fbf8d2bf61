package hostway

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// frame returns a frame of these layers behind an Ethernet header.
func frame(t testing.TB, kind layers.EthernetType, above ...gopacket.SerializableLayer) []byte {
	t.Helper()
	all := []gopacket.SerializableLayer{&layers.Ethernet{
		SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: kind,
	}}
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true},
		append(all, above...)...)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tcp4(t testing.TB, from, to byte, src, dst uint16) []byte {
	return frame(t, layers.EthernetTypeIPv4, &layers.IPv4{Version: 4, Protocol: layers.IPProtocolTCP,
		SrcIP: []byte{10, 0, 0, from}, DstIP: []byte{10, 0, 0, to}},
		&layers.TCP{SrcPort: layers.TCPPort(src), DstPort: layers.TCPPort(dst)})
}

func tcp6(t testing.TB, from, to byte, src, dst uint16) []byte {
	return frame(t, layers.EthernetTypeIPv6, &layers.IPv6{Version: 6,
		NextHeader: layers.IPProtocolTCP,
		SrcIP:      []byte{0: 0xfd, 15: from}, DstIP: []byte{0: 0xfd, 15: to}},
		&layers.TCP{SrcPort: layers.TCPPort(src), DstPort: layers.TCPPort(dst)})
}

// Both directions of a flow have one worker, and many flows have all workers.
func TestFlowsHaveOneWorker(t *testing.T) {
	const workers, flows = 4, 2000
	for name, packet := range map[string]func(t testing.TB, from, to byte, src, dst uint16) []byte{
		"IPv4": tcp4, "IPv6": tcp6,
	} {
		t.Run(name, func(t *testing.T) {
			var counts [workers]int
			for i := range uint16(flows) {
				there, back := packet(t, 1, 9, 179, 30000+i), packet(t, 9, 1, 30000+i, 179)
				w := workerOf(there, workers)
				if w != workerOf(back, workers) {
					t.Fatalf("port %d: %d and %d", 30000+i, w, workerOf(back, workers))
				}
				counts[w]++
			}
			for w, n := range counts {
				if n < flows/workers/2 {
					t.Errorf("worker %d has %d of %d flows", w, n, flows)
				}
			}
		})
	}
}

// Fragments of a datagram go where the datagrams go that are none: they have no ports.
func TestFragmentsFollow(t *testing.T) {
	const workers = 7
	ip := layers.IPv4{Version: 4, Protocol: layers.IPProtocolUDP, SrcIP: []byte{10, 0, 0, 1},
		DstIP: []byte{10, 0, 0, 9}}
	whole := workerOf(frame(t, layers.EthernetTypeIPv4, &ip, gopacket.Payload("\x01\x02\x03\x04data")), workers)
	ip.Flags, ip.FragOffset = layers.IPv4MoreFragments, 0
	first := workerOf(frame(t, layers.EthernetTypeIPv4, &ip, gopacket.Payload("\x01\x02\x03\x04data")), workers)
	ip.Flags, ip.FragOffset = 0, 100
	later := workerOf(frame(t, layers.EthernetTypeIPv4, &ip, gopacket.Payload("whatever")), workers)
	if whole != first || first != later {
		t.Errorf("%d, %d and %d", whole, first, later)
	}
}

// FuzzWorkerOf: any bytes have a worker.
func FuzzWorkerOf(f *testing.F) {
	f.Add(tcp4(f, 1, 2, 3, 4), uint8(3))
	f.Add(tcp6(f, 1, 2, 3, 4), uint8(9))
	f.Add([]byte{1, 2, 3}, uint8(2))
	f.Fuzz(func(t *testing.T, bytes []byte, workers uint8) {
		n := int(workers) + 1
		if w := workerOf(bytes, n); w < 0 || w >= n {
			t.Errorf("worker %d of %d", w, n)
		}
	})
}
