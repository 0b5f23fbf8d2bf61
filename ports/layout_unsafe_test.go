package ports

// Why this is sound: the test takes sizes, offsets and the address of an anonymous mapping, which
// stays in place until the end of the test.

import (
	"syscall"
	"testing"
	"unsafe"
)

// TestPacketLayout checks the layout that C code relies on.
func TestPacketLayout(t *testing.T) {
	var p Packet
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"size", unsafe.Sizeof(p), 40},
		{"Handle", unsafe.Offsetof(p.Handle), 0},
		{"Buffer", unsafe.Offsetof(p.Buffer), 8},
		{"Offset", unsafe.Offsetof(p.Offset), 16},
		{"Length", unsafe.Offsetof(p.Length), 18},
		{"BufferLen", unsafe.Offsetof(p.BufferLen), 20},
		{"VLAN", unsafe.Offsetof(p.VLAN), 22},
		{"Hash", unsafe.Offsetof(p.Hash), 24},
		{"RxFlags", unsafe.Offsetof(p.RxFlags), 28},
		{"TxFlags", unsafe.Offsetof(p.TxFlags), 30},
		{"Port", unsafe.Offsetof(p.Port), 32},
		{"Queue", unsafe.Offsetof(p.Queue), 34},
		{"Handovers", unsafe.Offsetof(p.Handovers), 36},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d; want %d", c.name, c.got, c.want)
		}
	}
}

// TestBytesFollowThePacket checks that Bytes begins at Offset and does not copy.
func TestBytesFollowThePacket(t *testing.T) {
	buffer, err := syscall.Mmap(-1, 0, 4096,
		syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(buffer)
	copy(buffer[100:], "0123456789")
	p := Packet{Buffer: uintptr(unsafe.Pointer(&buffer[0])), Offset: 102, Length: 5, BufferLen: 4096}
	if got := string(p.Bytes()); got != "23456" {
		t.Errorf("bytes %q", got)
	}
	p.Prepend(2)
	copy(p.Bytes(), "ab")
	p.Resize(10)
	if got := string(p.Bytes()); got != "ab23456789" {
		t.Errorf("bytes %q after Prepend and Resize", got)
	}
	if n := testing.AllocsPerRun(100, func() { p.Bytes()[0]++ }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
