package dpdk

// Why this is sound: the text and the program are C memory that is freed before CompileFilter
// returns, and the instructions are copied before that.

// #cgo pkg-config: libpcap
// #include <stdlib.h>
// #include <pcap/pcap.h>
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unsafe"

	classic "golang.org/x/net/bpf"
)

// maxFilter bounds the length of an expression in bytes, and thereby the time that libpcap takes
// for it.
const maxFilter = 4096

// wholePacket is the snapshot length for which programs are compiled: tcpdump's default.
const wholePacket = 262144

// compiling is held while libpcap compiles. Only releases from 1.8.0 on are safe to use from
// several threads, and looking up a name may take long.
var compiling sync.Mutex

// CompileFilter compiles an expression in libpcap's language, pcap-filter(7), for Ethernet frames.
// The program returns zero for frames that the expression does not match. The error is libpcap's.
// Names of hosts are looked up, which may take seconds. Any goroutine may call it, also without an
// EAL.
func CompileFilter(expression string) ([]classic.RawInstruction, error) {
	switch {
	case len(expression) > maxFilter:
		return nil, fmt.Errorf("it has %d characters: at most %d are allowed", len(expression), maxFilter)
	case strings.ContainsRune(expression, 0):
		return nil, errors.New("it contains a NUL character")
	}
	compiling.Lock()
	defer compiling.Unlock()
	handle := C.pcap_open_dead(C.DLT_EN10MB, wholePacket)
	if handle == nil {
		return nil, errors.New("libpcap has no memory")
	}
	defer C.pcap_close(handle)
	text := C.CString(expression)
	defer C.free(unsafe.Pointer(text))
	var program C.struct_bpf_program
	if C.pcap_compile(handle, &program, text, 1, C.PCAP_NETMASK_UNKNOWN) != 0 {
		return nil, errors.New(C.GoString(C.pcap_geterr(handle)))
	}
	defer C.pcap_freecode(&program)
	return instructions(unsafe.Slice(program.bf_insns, program.bf_len)), nil
}

func instructions(from []C.struct_bpf_insn) []classic.RawInstruction {
	to := make([]classic.RawInstruction, len(from))
	for i, f := range from {
		to[i] = classic.RawInstruction{
			Op: uint16(f.code), Jt: uint8(f.jt), Jf: uint8(f.jf), K: uint32(f.k),
		}
	}
	return to
}
