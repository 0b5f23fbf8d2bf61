package lab

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Return codes of an XDP program (linux/bpf.h, enum xdp_action).
const (
	xdpDrop = 1
	xdpPass = 2
)

// Offsets into the frame. The outer header has no options.
const (
	ethernetSize  = 14
	ipv4Size      = 20
	offEtherType  = 12
	offVersion    = ethernetSize
	offLength     = ethernetSize + 2
	offFragment   = ethernetSize + 6
	offProtocol   = ethernetSize + 9
	offTo         = ethernetSize + 16
	offInner      = ethernetSize + ipv4Size
	offInnerTotal = offInner + 2
)

// decapsulator does the work of a tunl0 device on a kernel without one. It is an XDP program that
// removes the outer header of IP-in-IP packets to one address. It passes all other packets. It
// drops a packet to that address whose lengths do not agree.
func decapsulator(address netip.Addr) *ebpf.ProgramSpec {
	if address.Is6() {
		return decapsulator6(address)
	}
	four := address.As4()
	return &ebpf.ProgramSpec{
		Name:    "decapsulate",
		Type:    ebpf.XDP,
		License: "Apache-2.0",
		Instructions: concat(
			isTunnelled(int32(binary.NativeEndian.Uint32(four[:]))),
			lengthsAddUp(),
			stripOuter(ipv4Size, unix.ETH_P_IP),
			leave("pass", xdpPass),
			leave("drop", xdpDrop),
		),
	}
}

// isTunnelled jumps to "pass" unless the frame is an unfragmented protocol 4 packet to the address.
// R6 is the context, R2 the frame, R3 its end.
func isTunnelled(address int32) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, offInner),
		asm.JGT.Reg(asm.R4, asm.R3, "pass"),
		asm.LoadMem(asm.R5, asm.R2, offEtherType, asm.Half),
		asm.JNE.Imm(asm.R5, networkOrder(unix.ETH_P_IP), "pass"),
		asm.LoadMem(asm.R5, asm.R2, offVersion, asm.Byte),
		asm.JNE.Imm(asm.R5, 0x45, "pass"),
		asm.LoadMem(asm.R5, asm.R2, offProtocol, asm.Byte),
		asm.JNE.Imm(asm.R5, unix.IPPROTO_IPIP, "pass"),
		asm.LoadMem(asm.R5, asm.R2, offTo, asm.Word),
		asm.JNE.Imm32(asm.R5, address, "pass"),
		asm.LoadMem(asm.R5, asm.R2, offFragment, asm.Half),
		asm.And.Imm(asm.R5, networkOrder(0x3fff)), // more fragments, or an offset
		asm.JNE.Imm(asm.R5, 0, "pass"),
	}
}

// lengthsAddUp jumps to "drop" unless the outer packet lies within the frame, and an inner IPv4
// packet of at least a header fills it exactly.
func lengthsAddUp() asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, offInner+ipv4Size),
		asm.JGT.Reg(asm.R4, asm.R3, "drop"),
		asm.LoadMem(asm.R5, asm.R2, offInner, asm.Byte),
		asm.RSh.Imm(asm.R5, 4),
		asm.JNE.Imm(asm.R5, 4, "drop"),
		asm.LoadMem(asm.R4, asm.R2, offLength, asm.Half),
		asm.HostTo(asm.BE, asm.R4, asm.Half),
		asm.LoadMem(asm.R5, asm.R2, offInnerTotal, asm.Half),
		asm.HostTo(asm.BE, asm.R5, asm.Half),
		asm.JLT.Imm(asm.R5, ipv4Size, "drop"),
		asm.Add.Imm(asm.R5, ipv4Size),
		asm.JNE.Reg(asm.R4, asm.R5, "drop"),
		asm.Mov.Reg(asm.R5, asm.R3),
		asm.Sub.Reg(asm.R5, asm.R2),
		asm.Add.Imm(asm.R4, ethernetSize),
		asm.JGT.Reg(asm.R4, asm.R5, "drop"),
	}
}

// stripOuter keeps the Ethernet header in R7, R8 and R9, moves the frame's start past the outer
// header, and writes the Ethernet header there with the inner packet's EtherType.
func stripOuter(size int32, etherType uint16) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R7, asm.R2, 0, asm.Word),
		asm.LoadMem(asm.R8, asm.R2, 4, asm.Word),
		asm.LoadMem(asm.R9, asm.R2, 8, asm.Word),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Imm(asm.R2, size),
		asm.FnXdpAdjustHead.Call(),
		asm.JNE.Imm(asm.R0, 0, "drop"),
		asm.LoadMem(asm.R2, asm.R6, 0, asm.Word),
		asm.LoadMem(asm.R3, asm.R6, 4, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, ethernetSize),
		asm.JGT.Reg(asm.R4, asm.R3, "drop"),
		asm.StoreMem(asm.R2, 0, asm.R7, asm.Word),
		asm.StoreMem(asm.R2, 4, asm.R8, asm.Word),
		asm.StoreMem(asm.R2, 8, asm.R9, asm.Word),
		asm.StoreImm(asm.R2, offEtherType, int64(networkOrder(etherType)), asm.Half),
	}
}

func leave(label string, action int32) asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R0, action).WithSymbol(label), asm.Return()}
}

func concat(parts ...asm.Instructions) asm.Instructions {
	var all asm.Instructions
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

// networkOrder returns htons of the value, as the program's little-endian or big-endian loads see
// it.
func networkOrder(value uint16) int32 {
	var two [2]byte
	binary.BigEndian.PutUint16(two[:], value)
	return int32(binary.NativeEndian.Uint16(two[:]))
}

// decapsulateOn loads the program and attaches it to a device of the current namespace. It uses
// rtnetlink, not a BPF link, so that the program stays as long as the device, even after this
// process. Generic mode works on every device; a veth's native mode needs its peer's help.
func decapsulateOn(device string, address netip.Addr) error {
	if err := rlimit.RemoveMemlock(); err != nil {
		return fmt.Errorf("raising the limit of locked memory for BPF: %w", err)
	}
	program, err := ebpf.NewProgram(decapsulator(address))
	if err != nil {
		return fmt.Errorf("loading the decapsulation program: %w; the kernel needs CONFIG_BPF_SYSCALL, and root", err)
	}
	defer program.Close()
	link, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("finding %s: %w", device, err)
	}
	if err := netlink.LinkSetXdpFdWithFlags(link, program.FD(), unix.XDP_FLAGS_SKB_MODE); err != nil {
		return fmt.Errorf("attaching the decapsulation program to %s: %w", device, err)
	}
	return nil
}
