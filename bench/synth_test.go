package bench

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fulcrum/packet"
)

// synthPrinter prints the first packets of the library's, by its own functions.
const synthPrinter = `
#include "synth.c"
int main(void)
{
	uint8_t frame[64];

	if (take_order() != 0)
		return 1;
	for (int i = 0; i < 3000; i++) {
		write_frame(frame, next_flow(&queues[i % order.queues]));
		for (uint32_t j = 0; j < order.length; j++)
			printf("%02x", frame[j]);
		printf("\n");
	}
	return 0;
}
`

// TestSynthFrames: the library in C makes the packets that pattern.write makes, in the order of
// shuffle, of other flows in each queue. Their checksums are right.
func TestSynthFrames(t *testing.T) {
	if _, err := exec.LookPath("pkg-config"); err != nil || exec.Command("pkg-config", "libdpdk").Run() != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI has to run this test, which needs libdpdk-dev")
		}
		t.Skip("needs libdpdk-dev")
	}
	folder := t.TempDir()
	program := compilePrinter(t, folder)
	for _, c := range []Case{
		{Sessions: thousand}, {Sessions: 7}, {Six: true, Sessions: thousand}, {Fresh: true}, {Six: true, Fresh: true},
		{Sessions: thousand, Workers: 2}, {Fresh: true, Workers: 2},
	} {
		o, err := newOrder(filepath.Join(folder, "order"), c)
		if err != nil {
			t.Fatal(err)
		}
		run := exec.Command(program)
		run.Env = append(os.Environ(), "FULCRUM_SYNTH="+filepath.Join(folder, "order"))
		text, err := run.Output()
		if err != nil || o.made() != 0 {
			t.Fatalf("%v, %d made", err, o.made())
		}
		if err := o.close(); err != nil {
			t.Error(err)
		}
		checkFrames(t, c, text)
	}
}

func compilePrinter(t *testing.T, folder string) string {
	t.Helper()
	for name, text := range map[string]string{"synth.c": string(synthSource), "print.c": synthPrinter} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(folder, "print")
	build := exec.Command("sh", "-c", `cc $(pkg-config --cflags libdpdk) -std=gnu11 -O1 `+
		`-o "$1" "$2" $(pkg-config --libs libdpdk)`, "sh", program, filepath.Join(folder, "print.c"))
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return program
}

func checkFrames(t *testing.T, c Case, text []byte) {
	t.Helper()
	queues := uint32(c.workers())
	p, order := newPattern(c.Six, subjectMAC), newShuffle(max(uint32(c.Sessions)/queues, 1))
	lines := bytes.Fields(text)
	if len(lines) != 3000 {
		t.Fatalf("%v: %d frames", c, len(lines))
	}
	want := make([]byte, p.length)
	for i, line := range lines {
		queue, flow := uint32(i)%queues, uint32(i)/queues
		if !c.Fresh {
			flow = order.at(flow % (uint32(c.Sessions) / queues))
		}
		p.write(want, flow*queues+queue)
		if got := string(line); got != hex.EncodeToString(want) {
			t.Fatalf("%v, packet %d: %s; want %x", c, i, got, want)
		}
		checkSums(t, want)
	}
}

// checkSums checks a datagram by the director's parser and by a plain sum.
func checkSums(t *testing.T, frame []byte) {
	t.Helper()
	var p packet.Parsed
	packet.Parse(frame, &p)
	segment := frame[p.Transport:p.End]
	var pseudo uint64
	switch p.Kind {
	case packet.UDP4:
		ip := packet.IPv4(frame[p.Network:])
		pseudo = packet.PseudoHeader4(ip.Src(), ip.Dst(), ip.Protocol(), len(segment))
	case packet.UDP6:
		ip := packet.IPv6(frame[p.Network:])
		pseudo = packet.PseudoHeader6(ip.Src(), ip.Dst(), packet.ProtocolUDP, len(segment))
	default:
		t.Fatalf("the parser takes %x for kind %d, fault %d", frame, p.Kind, p.Fault)
	}
	if packet.Fold(packet.Sum(segment, pseudo)) != 0xffff {
		t.Fatalf("wrong checksum in %x", frame)
	}
}

// TestOrderFits: the order is as long as the library's, and has its counter at the same place.
func TestOrderFits(t *testing.T) {
	if b := encodeOrder(Case{Sessions: 7}); len(b) != orderSize || written+12*4 > madeAt {
		t.Errorf("%d bytes", len(b))
	}
	if !strings.Contains(string(synthSource), "made) == 256") {
		t.Error("the library asserts another place of its counter")
	}
}
