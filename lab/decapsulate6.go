package lab

import (
	"encoding/binary"
	"net/netip"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// Offsets into an IPv6 frame. The outer header has no extensions.
const (
	ipv6Size    = 40
	offNext6    = ethernetSize + 6
	offTo6      = ethernetSize + 24
	offInner6   = ethernetSize + ipv6Size
	version6    = 6
	shiftNibble = 4
)

// decapsulator6 is decapsulator for IPv6 in IPv6.
func decapsulator6(address netip.Addr) *ebpf.ProgramSpec {
	return &ebpf.ProgramSpec{
		Name:    "decapsulate6",
		Type:    ebpf.XDP,
		License: "Apache-2.0",
		Instructions: concat(
			isTunnelled6(address.As16()),
			stripOuter(ipv6Size, unix.ETH_P_IPV6),
			leave("pass", xdpPass),
			leave("drop", xdpDrop),
		),
	}
}

// isTunnelled6 jumps to "pass" unless the frame is a packet with next header 41 to the address, and
// to "drop" unless the inner packet is IPv6. R6 is the context, R2 the frame, R3 its end.
func isTunnelled6(address [16]byte) asm.Instructions {
	all := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, offInner6+ipv6Size),
		asm.JGT.Reg(asm.R4, asm.R3, "pass"),
		asm.LoadMem(asm.R5, asm.R2, offEtherType, asm.Half),
		asm.JNE.Imm(asm.R5, networkOrder(unix.ETH_P_IPV6), "pass"),
		asm.LoadMem(asm.R5, asm.R2, offNext6, asm.Byte),
		asm.JNE.Imm(asm.R5, unix.IPPROTO_IPV6, "pass"),
	}
	for i := 0; i < len(address); i += 4 {
		all = append(all,
			asm.LoadMem(asm.R5, asm.R2, offTo6+int16(i), asm.Word),
			asm.JNE.Imm32(asm.R5, int32(binary.NativeEndian.Uint32(address[i:])), "pass"))
	}
	return append(all,
		asm.LoadMem(asm.R5, asm.R2, offInner6, asm.Byte),
		asm.RSh.Imm(asm.R5, shiftNibble),
		asm.JNE.Imm(asm.R5, version6, "drop"))
}
