package guard

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// Verdicts of the program (linux/bpf.h, enum tcx_action_base; linux/pkt_cls.h). A packet that is
// not hidden goes on to other programs of the hook.
const (
	verdictNext = -1 // TCX_NEXT, TC_ACT_UNSPEC
	verdictDrop = 2  // TCX_DROP, TC_ACT_SHOT
)

// Offsets into struct __sk_buff (linux/bpf.h).
const (
	skbPacketType = 4
	skbProtocol   = 16
	skbVLANThere  = 20
	skbVLAN       = 24
)

// Packet types (linux/if_packet.h).
const (
	typeHost      = 0 // to the interface's own MAC
	typeOtherHost = 3 // to another station's
)

// Offsets from the frame pointer, of what the program keeps on its stack.
const (
	slotVLAN     = -8
	slotDst      = -24  // 16 bytes, IPv4 in the mapped form
	slotSrc      = -40  // the same
	slotEndpoint = -72  // struct endpoint, 28 bytes
	slotHeader   = -112 // an IP header, 40 bytes
	slotPiece    = -120 // 8 bytes of something
	slotProtocol = -128 // a word: the IANA number of what follows the IP headers
	slotFragment = -136 // a word: not zero for a fragment but the first
	slotRange    = -160 // struct rangeKey, 20 bytes
)

const (
	ethernetSize = 14
	ipv4Size     = 20
	ipv6Size     = 40
	vlanIDs      = 0x0fff
)

// What registers hold. R1 to R5 are arguments, R0 is a result.
const (
	context  = asm.R6
	upper    = asm.R7 // where the upper layer begins in the frame
	roleBits = asm.R8 // roles of an address; in IPv6 headers the next header
	counter  = asm.R9 // where the hidden packets of the VLAN are counted
)

// assembler collects instructions. The next one gets the pending label.
type assembler struct {
	all    asm.Instructions
	label  string
	unique int
	maps   maps
}

// newProgram returns the program for one device, with its map of VLANs.
func newProgram(m maps) *ebpf.ProgramSpec {
	a := &assembler{maps: m}
	a.begin()
	a.arp()
	a.ipv4()
	a.ipv6()
	a.judge()
	a.end()
	return &ebpf.ProgramSpec{
		Name: programName, Type: ebpf.SchedCLS, License: "Apache-2.0", Instructions: a.all,
	}
}

func (a *assembler) add(all ...asm.Instruction) {
	for _, i := range all {
		if a.label != "" {
			i, a.label = i.WithSymbol(a.label), ""
		}
		a.all = append(a.all, i)
	}
}

// at sets the label of the next instruction.
func (a *assembler) at(label string) {
	if a.label != "" { // two labels at one place
		a.add(asm.Mov.Reg(asm.R0, asm.R0))
	}
	a.label = label
}

// fresh returns a label that is used nowhere else.
func (a *assembler) fresh(name string) string {
	a.unique++
	return fmt.Sprintf("%s%d", name, a.unique)
}

// load copies bytes of the frame to the stack, from an offset beyond a register. A frame that ends
// before them goes to the label.
func (a *assembler) load(base asm.Register, offset int32, to int32, size int32, short string) {
	if base == fixed {
		a.add(asm.Mov.Imm(asm.R2, offset))
	} else {
		a.add(asm.Mov.Reg(asm.R2, base), asm.Add.Imm(asm.R2, offset))
	}
	a.add(
		asm.Mov.Reg(asm.R1, context),
		asm.Mov.Reg(asm.R3, asm.RFP),
		asm.Add.Imm(asm.R3, to),
		asm.Mov.Imm(asm.R4, size),
		asm.FnSkbLoadBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, short),
	)
}

// fixed stands for no base register.
const fixed = asm.R0

// find leaves in R0 the pointer to what a map has for a key on the stack, or zero.
func (a *assembler) find(m *ebpf.Map, key int32) {
	a.add(
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, key),
		asm.FnMapLookupElem.Call(),
	)
}

// roles leaves the roles of an address on the stack in roleBits: its own, and that of a range.
func (a *assembler) roles(address int32) {
	done, alone := a.fresh("roles"), a.fresh("alone")
	a.find(a.maps.addresses, address)
	a.add(
		asm.Mov.Imm(roleBits, 0),
		asm.JEq.Imm(asm.R0, 0, done),
		asm.LoadMem(roleBits, asm.R0, 0, asm.Word),
	)
	a.at(done)
	a.add(asm.StoreImm(asm.RFP, slotRange, 128, asm.Word))
	a.move(address, slotRange+4, 16)
	a.find(a.maps.ranges, slotRange)
	a.add(
		asm.JEq.Imm(asm.R0, 0, alone),
		asm.LoadMem(asm.R2, asm.R0, 0, asm.Word),
		asm.Or.Reg(roleBits, asm.R2),
	)
	a.at(alone)
}

// ifRole jumps if roleBits has a role.
func (a *assembler) ifRole(r role, label string) {
	a.add(asm.Mov.Reg(asm.R2, roleBits), asm.And.Imm(asm.R2, int32(r)),
		asm.JNE.Imm(asm.R2, 0, label))
}

// ifProtocol jumps if the upper layer is of a protocol.
func (a *assembler) ifProtocol(number int32, label string) {
	a.add(asm.LoadMem(asm.R2, asm.RFP, slotProtocol, asm.Word), asm.JEq.Imm(asm.R2, number, label))
}

// setMapped writes the first 12 bytes of a mapped address (RFC 4291, 2.5.5.2).
func (a *assembler) setMapped(slot int32) {
	at := int16(slot)
	a.add(
		asm.StoreImm(asm.RFP, at, 0, asm.Word),
		asm.StoreImm(asm.RFP, at+4, 0, asm.Word),
		asm.StoreImm(asm.RFP, at+8, int64(networkOrder32(0x0000ffff)), asm.Word),
	)
}

// move copies bytes on the stack, in words.
func (a *assembler) move(from, to, size int32) {
	for i := int32(0); i < size; i += 4 {
		a.add(asm.LoadMem(asm.R2, asm.RFP, int16(from+i), asm.Word),
			asm.StoreMem(asm.RFP, int16(to+i), asm.R2, asm.Word))
	}
}

// begin hides all of a VLAN whose packets are not for this interface at all. Otherwise it lets pass
// what is another station's, of another VLAN, or of another protocol than ARP and IP.
func (a *assembler) begin() {
	a.add(
		asm.Mov.Reg(context, asm.R1),
		asm.LoadMem(asm.R2, context, skbPacketType, asm.Word),
		asm.JEq.Imm(asm.R2, typeOtherHost, "pass"),
		asm.LoadMem(asm.R3, context, skbVLANThere, asm.Word),
		asm.Mov.Imm(asm.R2, 0),
		asm.JEq.Imm(asm.R3, 0, "untagged"),
		asm.LoadMem(asm.R2, context, skbVLAN, asm.Word),
		asm.And.Imm(asm.R2, vlanIDs),
	)
	a.at("untagged")
	a.add(asm.StoreMem(asm.RFP, slotVLAN, asm.R2, asm.Word))
	a.find(a.maps.deaf, slotVLAN)
	a.add(asm.Mov.Reg(counter, asm.R0), asm.JNE.Imm(asm.R0, 0, "hide"))
	a.find(a.maps.vlans, slotVLAN)
	a.add(
		asm.JEq.Imm(asm.R0, 0, "pass"),
		asm.Mov.Reg(counter, asm.R0),
		asm.LoadMem(asm.R2, context, skbProtocol, asm.Word),
		asm.JEq.Imm(asm.R2, networkOrder(unix.ETH_P_IP), "ipv4"),
		asm.JEq.Imm(asm.R2, networkOrder(unix.ETH_P_IPV6), "ipv6"),
		asm.JNE.Imm(asm.R2, networkOrder(unix.ETH_P_ARP), "pass"),
	)
}

// arp hides messages about the director's addresses (RFC 826: the target stands after 24 bytes).
func (a *assembler) arp() {
	a.setMapped(slotDst)
	a.load(fixed, ethernetSize+24, slotDst+12, 4, "pass")
	a.owned()
}

// owned hides the packet if the address in slotDst is the director's alone.
func (a *assembler) owned() {
	a.roles(slotDst)
	a.add(asm.And.Imm(roleBits, int32(director|host)),
		asm.JEq.Imm(roleBits, int32(director), "hide"), asm.Ja.Label("pass"))
}

// ipv4 takes an IPv4 header apart (RFC 791, 3.1).
func (a *assembler) ipv4() {
	a.at("ipv4")
	a.load(fixed, ethernetSize, slotHeader, ipv4Size, "pass")
	a.add(asm.Mov.Imm(upper, ethernetSize))
	a.takeIPv4()
	a.add(asm.Ja.Label("judge"))
}

// takeIPv4 reads addresses, protocol and fragment offset of the IPv4 header in slotHeader. It moves
// upper from the header's beginning to its end.
func (a *assembler) takeIPv4() {
	a.setMapped(slotSrc)
	a.setMapped(slotDst)
	a.move(slotHeader+12, slotSrc+12, 4)
	a.move(slotHeader+16, slotDst+12, 4)
	a.add(
		asm.LoadMem(asm.R2, asm.RFP, slotHeader+9, asm.Byte),
		asm.StoreMem(asm.RFP, slotProtocol, asm.R2, asm.Word),
		asm.LoadMem(asm.R2, asm.RFP, slotHeader+6, asm.Half),
		asm.And.Imm(asm.R2, networkOrder(0x1fff)),
		asm.StoreMem(asm.RFP, slotFragment, asm.R2, asm.Word),
		asm.LoadMem(asm.R2, asm.RFP, slotHeader, asm.Byte),
		asm.And.Imm(asm.R2, 0x0f), // in units of 4 bytes
		asm.LSh.Imm(asm.R2, 2),
		asm.Add.Reg(upper, asm.R2),
	)
}

// maxExtensions is how many extension headers of IPv6 the program reads, as the director does.
const maxExtensions = 8

// ipv6 takes the headers of IPv6 apart (RFC 8200, 4).
func (a *assembler) ipv6() {
	a.at("ipv6")
	a.load(fixed, ethernetSize, slotHeader, ipv6Size, "pass")
	a.move(slotHeader+8, slotSrc, 16)
	a.move(slotHeader+24, slotDst, 16)
	a.add(
		asm.StoreImm(asm.RFP, slotFragment, 0, asm.Word),
		asm.LoadMem(roleBits, asm.RFP, slotHeader+6, asm.Byte),
		asm.Mov.Imm(upper, ethernetSize+ipv6Size),
	)
	for range maxExtensions {
		a.extension()
	}
	a.at("walked")
	a.add(asm.StoreMem(asm.RFP, slotProtocol, roleBits, asm.Word))
	// judge follows.
}

// extension reads one extension header, if one is next.
func (a *assembler) extension() {
	options, done := a.fresh("options"), a.fresh("extension")
	a.add(
		asm.JEq.Imm(roleBits, unix.IPPROTO_HOPOPTS, options),
		asm.JEq.Imm(roleBits, unix.IPPROTO_ROUTING, options),
		asm.JEq.Imm(roleBits, unix.IPPROTO_DSTOPTS, options),
		asm.JNE.Imm(roleBits, unix.IPPROTO_FRAGMENT, "walked"),
	)
	a.load(upper, 0, slotPiece, 4, "walked")
	a.add(
		asm.LoadMem(roleBits, asm.RFP, slotPiece, asm.Byte),
		asm.LoadMem(asm.R2, asm.RFP, slotPiece+2, asm.Half),
		asm.And.Imm(asm.R2, networkOrder(0xfff8)),
		asm.StoreMem(asm.RFP, slotFragment, asm.R2, asm.Word),
		asm.JNE.Imm(asm.R2, 0, "walked"),
		asm.Add.Imm(upper, 8),
		asm.Ja.Label(done),
	)
	a.at(options)
	a.load(upper, 0, slotPiece, 2, "walked")
	a.add(
		asm.LoadMem(roleBits, asm.RFP, slotPiece, asm.Byte),
		asm.LoadMem(asm.R2, asm.RFP, slotPiece+1, asm.Byte),
		asm.Add.Imm(asm.R2, 1), // in units of 8 bytes
		asm.LSh.Imm(asm.R2, 3),
		asm.Add.Reg(upper, asm.R2),
	)
	a.at(done)
}

// end counts and drops, or lets pass.
func (a *assembler) end() {
	a.at("hide")
	a.add(
		asm.LoadMem(asm.R2, counter, 0, asm.DWord),
		asm.Add.Imm(asm.R2, 1),
		asm.StoreMem(counter, 0, asm.R2, asm.DWord),
		asm.Mov.Imm(asm.R0, verdictDrop),
		asm.Return(),
	)
	a.at("pass")
	a.add(asm.Mov.Imm(asm.R0, verdictNext), asm.Return())
}

// networkOrder returns htons of the value, as the program's loads see it.
func networkOrder(value uint16) int32 {
	return int32(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, value)))
}

// networkOrder32 returns htonl of the value, as the program's loads see it.
func networkOrder32(value uint32) int32 {
	return int32(binary.NativeEndian.Uint32(binary.BigEndian.AppendUint32(nil, value)))
}
