package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

func readCapture(t *testing.T, name string) [][]byte {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := pcapgo.NewReader(file)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var frames [][]byte
	for {
		frame, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		frames = append(frames, frame)
	}
}

func writeCapture(t *testing.T, name string, frames [][]byte) {
	t.Helper()
	if err := saveCapture(name, frames); err != nil {
		t.Fatal(err)
	}
}

func saveCapture(name string, frames [][]byte) error {
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(65536, layers.LinkTypeEthernet); err != nil {
		return err
	}
	for _, f := range frames {
		if err := w.WritePacket(gopacket.CaptureInfo{CaptureLength: len(f), Length: len(f)}, f); err != nil {
			return err
		}
	}
	return os.WriteFile(name, b.Bytes(), 0o600)
}

// flow holds the source and the destination of a TCP or UDP packet.
type flow struct{ from, to netip.AddrPort }

func flowOf(t *testing.T, frame []byte) flow {
	t.Helper()
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	if p.NetworkLayer() == nil || p.TransportLayer() == nil {
		t.Fatalf("neither TCP nor UDP:\n%s", p.Dump())
	}
	network, transport := p.NetworkLayer().NetworkFlow(), p.TransportLayer().TransportFlow()
	return flow{endpoint(network.Src(), transport.Src()), endpoint(network.Dst(), transport.Dst())}
}

func endpoint(a, p gopacket.Endpoint) netip.AddrPort {
	address, _ := netip.AddrFromSlice(a.Raw())
	return netip.AddrPortFrom(address, binary.BigEndian.Uint16(p.Raw()))
}

func dump(frame []byte) string {
	return gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default).Dump()
}
