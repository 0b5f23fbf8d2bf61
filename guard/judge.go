package guard

import (
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// Types of ICMP messages (IANA).
const (
	echoRequest  = 8
	echoRequest6 = 128
	solicitation = 135 // RFC 4861, 4.3: the target stands after 8 bytes
)

// Errors that quote the packet which they are about (RFC 792; RFC 4443, 2.1).
var (
	icmpErrors  = []int32{3, 4, 11, 12}
	icmp6Errors = []int32{1, 2, 3, 4}
)

// judge decides about a packet with its addresses in slotDst and slotSrc.
//
// An address that is the director's alone is hidden with all that goes there. One that the host has
// too is hidden where it is served: the served ports, pings, and errors about packets from there.
// Later fragments pass: they have no ports, and the kernel drops them without their first.
//
// What goes to the host's other addresses passes. Only packets to others are left, which the kernel
// would forward. Answers of nat real servers among them are the director's, and so are errors about
// what it has sent to these. A later fragment of such a real server counts as an answer.
func (a *assembler) judge() {
	a.at("judge")
	a.roles(slotDst)
	a.ifRole(director, "ours")
	a.ifRole(host, "pass")
	a.ifProtocol(unix.IPPROTO_ICMPV6, "discovery")
	a.at("foreign")
	a.foreign()
	a.at("ours")
	a.ours()
	a.discovery()
}

// ours judges packets to an address of the director.
func (a *assembler) ours() {
	a.add(asm.And.Imm(roleBits, int32(host)), asm.JEq.Imm(roleBits, 0, "hide"))
	a.ifFragment("pass")
	a.ifProtocol(unix.IPPROTO_ICMP, "shared ICMP")
	a.ifProtocol(unix.IPPROTO_ICMPV6, "shared ICMPv6")
	a.ports()
	a.hideServed(slotDst, 2, serves)
	a.at("shared ICMP")
	a.loadType()
	a.add(asm.JEq.Imm(asm.R2, echoRequest, "hide"))
	a.quoted4()
	a.hideServed(slotSrc, 0, serves)
	a.at("shared ICMPv6")
	a.loadType()
	a.add(asm.JEq.Imm(asm.R2, echoRequest6, "hide"))
	a.quoted6()
	a.hideServed(slotSrc, 0, serves)
}

// foreign judges packets that the kernel would forward.
func (a *assembler) foreign() {
	a.add(asm.LoadMem(asm.R2, context, skbPacketType, asm.Word),
		asm.JNE.Imm(asm.R2, typeHost, "pass"))
	a.ifRole(routed, "hide")
	a.roles(slotSrc)
	a.ifRole(routed, "hide")
	a.ifFragment("later fragment")
	a.ifProtocol(unix.IPPROTO_ICMP, "foreign ICMP")
	a.ifProtocol(unix.IPPROTO_ICMPV6, "foreign ICMPv6")
	a.add(asm.JEq.Imm(roleBits, 0, "pass"))
	a.ports()
	a.hideServed(slotSrc, 0, answers)
	a.at("later fragment")
	a.ifRole(answering, "hide")
	a.add(asm.Ja.Label("pass"))
	a.at("foreign ICMP")
	a.loadType()
	a.quoted4()
	a.hideServed(slotDst, 2, answers)
	a.at("foreign ICMPv6")
	a.loadType()
	a.quoted6()
	a.hideServed(slotDst, 2, answers)
}

// discovery hides solicitations of the director's addresses. They go to groups.
func (a *assembler) discovery() {
	a.at("discovery")
	a.ifFragment("foreign")
	a.loadType()
	a.add(asm.JNE.Imm(asm.R2, solicitation, "foreign"))
	a.load(upper, 8, slotDst, 16, "pass")
	a.owned()
}

// ifFragment jumps for a fragment but the first.
func (a *assembler) ifFragment(label string) {
	a.add(asm.LoadMem(asm.R2, asm.RFP, slotFragment, asm.Word), asm.JNE.Imm(asm.R2, 0, label))
}

// ports loads source and destination port, which TCP, UDP and SCTP have in the same place.
func (a *assembler) ports() { a.load(upper, 0, slotPiece, 4, "pass") }

// loadType leaves the type of an ICMP message in R2.
func (a *assembler) loadType() {
	a.load(upper, 0, slotPiece, 1, "pass")
	a.add(asm.LoadMem(asm.R2, asm.RFP, slotPiece, asm.Byte))
}

// hideServed hides the packet if an address with the port in slotPiece is an endpoint of that side,
// and lets it pass if not.
func (a *assembler) hideServed(address int32, port int16, s side) {
	a.move(address, slotEndpoint+8, 16)
	a.add(
		asm.StoreImm(asm.RFP, slotEndpoint, portBits, asm.Word),
		asm.StoreImm(asm.RFP, slotEndpoint+4, 0, asm.Word),
		asm.LoadMem(asm.R2, asm.RFP, slotProtocol, asm.Word),
		asm.StoreMem(asm.RFP, slotEndpoint+4, asm.R2, asm.Byte),
		asm.StoreImm(asm.RFP, slotEndpoint+5, int64(s), asm.Byte),
		asm.StoreImm(asm.RFP, slotEndpoint+24, 0, asm.Word),
		asm.LoadMem(asm.R2, asm.RFP, slotPiece+port, asm.Half),
		asm.StoreMem(asm.RFP, slotEndpoint+24, asm.R2, asm.Half),
	)
	a.find(a.maps.endpoints, slotEndpoint)
	a.add(asm.JNE.Imm(asm.R0, 0, "hide"), asm.Ja.Label("pass"))
}

// onlyErrors lets a message pass whose type, in R2, is none of these.
func (a *assembler) onlyErrors(types []int32) {
	known := a.fresh("error")
	for _, t := range types {
		a.add(asm.JEq.Imm(asm.R2, t, known))
	}
	a.add(asm.Ja.Label("pass"))
	a.at(known)
}

// quoted4 replaces addresses, protocol and ports by those of the packet that an ICMP error quotes
// after 8 bytes.
func (a *assembler) quoted4() {
	a.onlyErrors(icmpErrors)
	a.load(upper, 8, slotHeader, ipv4Size, "pass")
	a.add(asm.Add.Imm(upper, 8))
	a.takeIPv4()
	a.ifFragment("pass")
	a.ports()
}

// quoted6 is the same for ICMPv6. A quoted packet with extension headers is not read.
func (a *assembler) quoted6() {
	a.onlyErrors(icmp6Errors)
	a.load(upper, 8, slotHeader, ipv6Size, "pass")
	a.move(slotHeader+8, slotSrc, 16)
	a.move(slotHeader+24, slotDst, 16)
	a.add(
		asm.LoadMem(asm.R2, asm.RFP, slotHeader+6, asm.Byte),
		asm.StoreMem(asm.RFP, slotProtocol, asm.R2, asm.Word),
		asm.Add.Imm(upper, 8+ipv6Size),
	)
	a.ports()
}
