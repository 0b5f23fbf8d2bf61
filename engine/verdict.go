package engine

import (
	"fmt"

	"fulcrum/packet"
)

// Verdict is what was decided about a packet: that it was taken (forwarded, held for a neighbour, or turned
// into an answer), that it was consumed, or why it was dropped.
type Verdict uint8

const (
	Taken    Verdict = iota // the buffer has a new owner; whoever took it has counted it
	Consumed                // the packet was for the director and has done its work

	// Drop reasons, in the order of a packet's way.
	DropMultiSegment
	DropTruncated
	DropBadARP
	DropIPVersion
	DropIPHeaderLength
	DropIPLength
	DropIPChecksum
	DropIPOptions
	DropIPv6Address
	DropIPv6Extension
	DropFragment
	DropTinyFragment
	DropFragmentOverlap
	DropFragmentTimeout
	DropFragmentsFull
	DropOtherFamily
	DropTCPDataOffset
	DropUDPLength
	DropSCTPChunk
	DropICMPChecksum
	DropBadND
	DropVLAN
	DropNotIP
	DropNotOurMAC
	DropSourceMAC
	DropSourceAddress
	DropNoSession
	DropNoService
	DropToHost
	DropICMPError
	DropNotOurs
	DropNoRealServer
	DropRealServerGone
	DropSessionsFull
	DropFlowTaken
	DropNoLocalPort
	DropTTLExceeded
	DropTooBig
	DropNoRoute
	DropNeighboursFull
	DropNeighbourQueueFull
	DropNeighbourFailed
	DropNoHeadroom
	DropNoBuffer
	DropTxFull
	DropHandoffFull
	DropStopped

	NumVerdicts
)

// verdicts is the one table of verdicts: names as metrics and tables show them, what they mean, and what to do about many of them.
var verdicts = [NumVerdicts]struct{ name, meaning, remedy string }{
	Taken:                  {name: "taken", meaning: "sent on, held for a neighbour, or turned into an answer"},
	Consumed:               {name: "consumed", meaning: "for the director itself, and done with"},
	DropMultiSegment:       {"multi_segment", "spread over several buffers that could not be joined", "raise the port's `mtu` to the largest frame of the network"},
	DropTruncated:          {"truncated", "ends before its headers do", "look for a broken sender; a capture shows whose"},
	DropBadARP:             {"bad_arp", "ARP that is not for IPv4 over Ethernet, or has an impossible sender", "look for a broken or hostile station on the subnet"},
	DropIPVersion:          {"bad_ip_version", "IP version differs from the EtherType", "look for a broken sender"},
	DropIPHeaderLength:     {"bad_ip_header_length", "IP header length below 20 or beyond the packet", "look for a broken or hostile sender"},
	DropIPLength:           {"bad_ip_length", "IP total length beyond the frame", "look for a broken sender; on net_af_packet, switch off GRO and LRO of the interface"},
	DropIPChecksum:         {"bad_ip_checksum", "IP header checksum is wrong", "look for a damaged cable or a sender that leaves checksums to hardware: switch its transmit offloads off"},
	DropFragment:           {"fragment", "IP fragment beyond the largest packet, or of a length that others cannot follow on", "look for a hostile sender"},
	DropTCPDataOffset:      {"bad_tcp_data_offset", "TCP data offset below 20 or beyond the packet", "look for a broken or hostile sender"},
	DropUDPLength:          {"bad_udp_length", "UDP length below 8 or beyond the packet", "look for a broken or hostile sender"},
	DropSCTPChunk:          {"bad_sctp_chunk", "length of the first SCTP chunk below 4 or beyond the packet", "look for a broken or hostile sender"},
	DropICMPChecksum:       {"bad_icmp_checksum", "ICMP message whose checksum is wrong", "look for a damaged cable or a broken sender"},
	DropBadND:              {"bad_nd", "neighbour discovery that breaks RFC 4861's rules, from behind a router for example", "look for a broken or hostile station on the subnet"},
	DropIPOptions:          {"bad_ip_options", "IP options that are cut off, or a source route", "look for a hostile sender: nobody has source routes by mistake"},
	DropIPv6Address:        {"bad_ipv6_address", "an IPv4-mapped IPv6 address, or a source that is a group", "look for a hostile sender: such addresses never belong on a wire"},
	DropIPv6Extension:      {"bad_ipv6_extension", "IPv6 extension headers in a wrong order, too many, cut off, or a source route", "look for a hostile sender; senders with more than eight extension headers are not served"},
	DropTinyFragment:       {"tiny_fragment", "first fragment without its whole headers, or one that would overwrite them", "look for a hostile sender: no MTU is that small"},
	DropFragmentOverlap:    {"fragment_overlap", "fragment that repeats or overlaps what came before of its datagram, or is of one where that happened", "look for a hostile sender, or for a network that duplicates packets"},
	DropFragmentTimeout:    {"fragment_timeout", "fragment whose datagram's first did not come within a second", "look for loss in front of the director; a flood of such fragments is an attack"},
	DropFragmentsFull:      {"fragments_full", "too many fragments before their datagram's first, or too many fragmented datagrams at once", "have clients send smaller datagrams; a flood of fragments is an attack"},
	DropOtherFamily:        {"other_family", "fragment or echo request between IPv6 clients and an IPv4 real server, which are not translated", "have clients send smaller datagrams, or give the real servers IPv6 addresses"},
	DropNoBuffer:           {"no_buffer", "no buffer was free for the pieces that it had to be sent in", "raise `dpdk.memory`"},
	DropVLAN:               {"vlan", "of a VLAN that no port has, with more than one tag, or without a tag where all ports of the device have one", "add a `[[port]]` with that `vlan`, or take the VLAN off the switch port"},
	DropNotIP:              {"not_ip", "neither IP nor ARP", "nothing: spanning tree, LLDP and the like"},
	DropNotOurMAC:          {"not_our_mac", "Ethernet destination is another station's", "nothing if it is little: the switch floods; else look for a station with a stale neighbour entry"},
	DropSourceMAC:          {"bad_source_mac", "Ethernet source is a group, which nobody can be", "look for a broken or hostile station"},
	DropSourceAddress:      {"bad_source", "would begin a session, but its source is no host's address, or the director's own", "look for a hostile sender; filter such sources at the border"},
	DropNoSession:          {"no_session", "of no session and cannot begin one: TCP without SYN or with RST, or anything to a local address", "nothing if it is little: late packets of ended sessions; after a restart of the director, sessions that it does not know (`sloppy_tcp` takes them on)"},
	DropICMPError:          {"icmp_error", "ICMP error about a packet of no session, a redirect, or an error without a counterpart between the families", "nothing if it is little: errors about sessions that have ended"},
	DropNoService:          {"no_service", "to a VIP, but no service has that protocol and port", "add a `[[service]]` for the port, or filter it in front"},
	DropToHost:             {"to_host", "to the director itself, which has no host path", "nothing: the director itself offers no service on its ports"},
	DropNotOurs:            {"not_ours", "to an address that is not the director's and of no session", "check who routes such packets here; in nat, real servers that talk on their own account"},
	DropNoRealServer:       {"no_real_server", "no real server is available (weight 0 or overloaded); answered by ICMP port unreachable", "look after the real servers: all are drained or overloaded"},
	DropRealServerGone:     {"real_server_gone", "the session's real server was removed", "nothing: clients of a removed real server; `expire_nodest` has their packets scheduled anew, draining first avoids it"},
	DropSessionsFull:       {"sessions_full", "session table is full and holds no half-open session", "raise `session.max` (`session.max_v6` for IPv6)"},
	DropFlowTaken:          {"flow_taken", "other sessions' answers come on the same flow at up to 8 available real servers: one client uses one port towards several services with the same real servers; answered by ICMP port unreachable", "give the services different real server ports, or use fullnat"},
	DropNoLocalPort:        {"no_local_port", "no free local address and port was found towards up to 8 available real servers; answered by ICMP port unreachable", "add `local_addresses`: each gives 64,512 sessions for every real server"},
	DropTTLExceeded:        {"ttl_exceeded", "TTL used up; answered by ICMP time exceeded", "look for a routing loop, or somebody's traceroute"},
	DropTooBig:             {"too_big", "larger than the MTU of its way, and with DF or IPv6; answered by ICMP fragmentation needed or packet too big", "nothing if path MTU discovery works; else let ICMP errors pass, or set the service's `mss`"},
	DropNoRoute:            {"no_route", "no subnet and no route for its destination", "add a `[[route]]`"},
	DropNeighboursFull:     {"neighbours_full", "neighbour table is full", "use a gateway: more than 65,535 stations are on the subnets"},
	DropNeighbourQueueFull: {"neighbour_queue_full", "too many packets wait for this next hop to answer ARP, or too many next hops are waited for", "check that the next hops answer"},
	DropNeighbourFailed:    {"neighbour_failed", "the next hop does not answer ARP", "check the real server or gateway: is it up, on that subnet, with that address?"},
	DropNoHeadroom:         {"no_headroom", "no room in the buffer for another header", "report it: no driver known gives so little"},
	DropTxFull:             {"tx_full", "the device did not take it in time", "look at the link: it is full, down, or pauses; raise `tx_descriptors` for short bursts"},
	DropHandoffFull:        {"handoff_full", "belongs to another worker, which did not take it over in time", "add CPUs, or use a device that spreads flows by itself (see Workers)"},
	DropStopped:            {"stopped", "still held when the director stopped", "nothing"},
}

// String returns the verdict's name.
func (v Verdict) String() string {
	if v >= NumVerdicts {
		return fmt.Sprintf("verdict %d", uint8(v))
	}
	return verdicts[v].name
}

// Meaning returns a sentence about the verdict.
func (v Verdict) Meaning() string { return verdicts[v].meaning }

// Remedy says what an operator can do about many drops for the reason.
func (v Verdict) Remedy() string { return verdicts[v].remedy }

// IsDrop reports whether the verdict is a drop reason.
func (v Verdict) IsDrop() bool { return v > Consumed }

// faults gives each of the parser's faults its drop reason.
var faults = [packet.NumFaults]Verdict{
	packet.FaultTruncated:      DropTruncated,
	packet.FaultARP:            DropBadARP,
	packet.FaultIPVersion:      DropIPVersion,
	packet.FaultIPHeaderLength: DropIPHeaderLength,
	packet.FaultIPTotalLength:  DropIPLength,
	packet.FaultIPChecksum:     DropIPChecksum,
	packet.FaultIPOptions:      DropIPOptions,
	packet.FaultIPv6Address:    DropIPv6Address,
	packet.FaultIPv6Extension:  DropIPv6Extension,
	packet.FaultFragment:       DropFragment,
	packet.FaultTinyFragment:   DropTinyFragment,
	packet.FaultSCTPChunk:      DropSCTPChunk,
	packet.FaultTCPDataOffset:  DropTCPDataOffset,
	packet.FaultUDPLength:      DropUDPLength,
}
