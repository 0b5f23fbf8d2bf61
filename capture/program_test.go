package capture

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

// Operations of classic BPF (linux/bpf_common.h).
const (
	loadHalf    = 0x28
	loadWord    = 0x20
	jumpIfEqual = 0x15
	jump        = 0x05
	negate      = 0x84
	ret         = 0x06
)

// isIPv4 is the program of the expression "ip".
var isIPv4 = []bpf.RawInstruction{
	{Op: loadHalf, K: 12}, {Op: jumpIfEqual, Jf: 1, K: 0x800}, {Op: ret, K: 65535}, {Op: ret},
}

func TestProgramSelects(t *testing.T) {
	p, err := NewProgram(isIPv4)
	if err != nil {
		t.Fatal(err)
	}
	all := frames(t)
	for name, want := range map[string]bool{"web": true, "ping": true, "web6": false, "arp": false} {
		if got := p.Match(all[name]); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if p.Match(all["web"][:13]) {
		t.Error("a frame that ends before its type is selected")
	}
	if n := testing.AllocsPerRun(100, func() { p.Match(all["web"]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestBadPrograms(t *testing.T) {
	for _, tt := range []struct {
		want    string
		program []bpf.RawInstruction
	}{
		{"4097 instructions", make([]bpf.RawInstruction, maxInstructions+1)},
		{"one or more", nil},
		{"unary minus", []bpf.RawInstruction{{Op: negate}, {Op: ret}}},
		{"past program bounds", []bpf.RawInstruction{{Op: jump, K: 1 << 30}, {Op: ret}}},
		{"loop", []bpf.RawInstruction{{Op: jump, K: 1<<32 - 1}, {Op: ret}}},
		{"must end with", []bpf.RawInstruction{{Op: loadHalf, K: 12}}},
		// The packet type of the Linux kernel, for "inbound".
		{"--stage", []bpf.RawInstruction{{Op: loadHalf, K: 0xfffff004}, {Op: ret}}},
		{"only a kernel", []bpf.RawInstruction{{Op: 0xffff}, {Op: ret}}},
	} {
		if _, err := NewProgram(tt.program); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.program, err, tt.want)
		}
	}
}

// FuzzProgram checks that no program and no frame makes a worker panic.
func FuzzProgram(f *testing.F) {
	var raw []byte
	for _, i := range isIPv4 {
		raw = binary.BigEndian.AppendUint16(raw, i.Op)
		raw = binary.BigEndian.AppendUint32(append(raw, i.Jt, i.Jf), i.K)
	}
	for _, data := range frames(f) {
		f.Add(raw, data)
	}
	f.Fuzz(func(_ *testing.T, raw, data []byte) {
		var program []bpf.RawInstruction
		for ; len(raw) >= 8; raw = raw[8:] {
			program = append(program, bpf.RawInstruction{
				Op: binary.BigEndian.Uint16(raw), Jt: raw[2], Jf: raw[3],
				K: binary.BigEndian.Uint32(raw[4:]),
			})
		}
		if p, err := NewProgram(program); err == nil {
			p.Match(data)
		}
	})
}
