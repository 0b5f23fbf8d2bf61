package dpdk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fulcrum/ports"
)

func TestCaptureInToOut(t *testing.T) {
	var frames [][]byte
	for i := range 200 {
		frames = append(frames, bytes.Repeat([]byte{byte(i)}, 60+i))
	}
	in, out := captureFiles(t, frames)
	p := open(t, PortConfig{Name: "front", Device: pcapDevice(in, out)})

	var burst ports.Burst
	forwarded := 0
	for end := time.Now().Add(5 * time.Second); forwarded < len(frames) && time.Now().Before(end); {
		p.Queue(0).Exchange(nil, nil, &burst)
		forwarded += burst.N
		send(t, p.Queue(0), &burst)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if got := readCapture(t, out); !slices.EqualFunc(got, frames, bytes.Equal) {
		t.Errorf("%d frames came out, not as the %d that went in", len(got), len(frames))
	}
}

func TestCaptureCannotSetMTU(t *testing.T) {
	in, out := captureFiles(t, nil)
	p := open(t, PortConfig{Name: "front", Device: pcapDevice(in, out)})
	says := func(note string) bool { return strings.Contains(note, "MTU") }
	if !slices.ContainsFunc(p.Notes(), says) {
		t.Errorf("notes are %q", p.Notes())
	}
}

// net_pcap splits a frame that does not fit one buffer into several segments.
func TestPacketOfSeveralSegments(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789"), 400)
	short := []byte("short enough for one segment, and longer than 60 bytes, too.")
	in, out := captureFiles(t, [][]byte{long, short})
	p := open(t, PortConfig{Name: "front", Device: pcapDevice(in, out)})

	rx := receive(t, p.Queue(0), anyPacket)
	defer p.Queue(0).Exchange(nil, &rx, nil)
	if rx.N != 2 {
		t.Fatalf("received %d packets", rx.N)
	}
	first, second := &rx.Packets[0], &rx.Packets[1]
	if first.RxFlags&ports.RxMultiSegment == 0 || second.RxFlags&ports.RxMultiSegment != 0 {
		t.Errorf("flags are %v and %v", first.RxFlags, second.RxFlags)
	}
	got := first.Bytes()
	if len(got) != minDataRoom-ports.Headroom || !bytes.Equal(got, long[:len(got)]) {
		t.Errorf("the first segment has %d bytes", len(got))
	}
}

// Buffers grow with the MTU, so a long packet is one segment.
func TestJumboPacketInOneSegment(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789"), 900)
	in, out := captureFiles(t, [][]byte{long})
	p := open(t, PortConfig{Name: "front", Device: pcapDevice(in, out), MTU: 9000})

	rx := receive(t, p.Queue(0), anyPacket)
	if got := &rx.Packets[0]; !bytes.Equal(got.Bytes(), long) || got.RxFlags != 0 {
		t.Errorf("received %+v", *got)
	}
	p.Queue(0).Exchange(nil, &rx, nil)
}

// The file header and the frame header of a capture file, both little-endian here
// (draft-ietf-opsawg-pcap).
type (
	captureHeader struct {
		Magic         uint32
		Major, Minor  uint16
		_             uint64
		SnapLen, Link uint32
	}
	frameHeader struct {
		Seconds, Microseconds uint32
		Captured, Length      uint32
	}
)

// pcapDevice returns the device string of a port that reads one file and writes the other.
func pcapDevice(in, out string) string {
	return fmt.Sprintf("net_pcap0,rx_pcap=%s,tx_pcap=%s", in, out)
}

// captureFiles writes frames to a capture file and returns its name and one for the output.
func captureFiles(t *testing.T, frames [][]byte) (in, out string) {
	t.Helper()
	directory := t.TempDir()
	in, out = filepath.Join(directory, "in.pcap"), filepath.Join(directory, "out.pcap")
	var b bytes.Buffer
	header := captureHeader{Magic: 0xa1b2c3d4, Major: 2, Minor: 4, SnapLen: 65535, Link: 1}
	binary.Write(&b, binary.LittleEndian, header)
	for _, frame := range frames {
		n := uint32(len(frame))
		binary.Write(&b, binary.LittleEndian, frameHeader{Captured: n, Length: n})
		b.Write(frame)
	}
	if err := os.WriteFile(in, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return in, out
}

func readCapture(t *testing.T, path string) (frames [][]byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(content)
	if err := binary.Read(r, binary.LittleEndian, new(captureHeader)); err != nil {
		t.Fatal(err)
	}
	for r.Len() > 0 {
		var h frameHeader
		if err := binary.Read(r, binary.LittleEndian, &h); err != nil {
			t.Fatal(err)
		}
		frame := make([]byte, h.Captured)
		if _, err := io.ReadFull(r, frame); err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frame)
	}
	return frames
}
