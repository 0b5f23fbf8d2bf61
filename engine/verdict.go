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
	DropIPv6Address
	DropIPv6Extension
	DropFragment
	DropTinyFragment
	DropFragmentOverlap
	DropFragmentTimeout
	DropFragmentsFull
	DropFragmentFamily
	DropTCPDataOffset
	DropUDPLength
	DropSCTPChunk
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

// verdicts is the one table of verdicts: names as metrics and tables show them, and what they mean.
var verdicts = [NumVerdicts]struct{ name, meaning string }{
	Taken:                  {"taken", "sent on, held for a neighbour, or turned into an answer"},
	Consumed:               {"consumed", "for the director itself, and done with"},
	DropMultiSegment:       {"multi_segment", "spread over several buffers that could not be joined; raise the port's mtu"},
	DropTruncated:          {"truncated", "ends before its headers do"},
	DropBadARP:             {"bad_arp", "ARP that is not for IPv4 over Ethernet, or has an impossible sender"},
	DropIPVersion:          {"bad_ip_version", "IP version differs from the EtherType"},
	DropIPHeaderLength:     {"bad_ip_header_length", "IP header length below 20 or beyond the packet"},
	DropIPLength:           {"bad_ip_length", "IP total length beyond the frame"},
	DropIPChecksum:         {"bad_ip_checksum", "IP header checksum is wrong"},
	DropFragment:           {"fragment", "IP fragment beyond the largest packet, or of a length that others cannot follow on"},
	DropTCPDataOffset:      {"bad_tcp_data_offset", "TCP data offset below 20 or beyond the packet"},
	DropUDPLength:          {"bad_udp_length", "UDP length below 8 or beyond the packet"},
	DropSCTPChunk:          {"bad_sctp_chunk", "length of the first SCTP chunk below 4 or beyond the packet"},
	DropBadND:              {"bad_nd", "neighbour discovery that breaks RFC 4861's rules, from behind a router for example"},
	DropIPv6Address:        {"bad_ipv6_address", "an IPv4-mapped IPv6 address, or a source that is a group"},
	DropIPv6Extension:      {"bad_ipv6_extension", "IPv6 extension headers in a wrong order, too many, cut off, or a source route"},
	DropTinyFragment:       {"tiny_fragment", "first fragment without its whole headers, or one that would overwrite them"},
	DropFragmentOverlap:    {"fragment_overlap", "fragment that repeats or overlaps what came before of its datagram, or is of one where that happened"},
	DropFragmentTimeout:    {"fragment_timeout", "fragment whose datagram's first did not come within a second"},
	DropFragmentsFull:      {"fragments_full", "too many fragments before their datagram's first, or too many fragmented datagrams at once"},
	DropFragmentFamily:     {"fragment_family", "fragment of a session between IPv6 clients and an IPv4 real server, where fragments are not translated"},
	DropNoBuffer:           {"no_buffer", "no buffer was free for the pieces that it had to be sent in; raise dpdk.memory"},
	DropVLAN:               {"vlan", "of a VLAN that no port has, with more than one tag, or without a tag where all ports of the device have one"},
	DropNotIP:              {"not_ip", "neither IP nor ARP"},
	DropNotOurMAC:          {"not_our_mac", "Ethernet destination is another station's"},
	DropSourceMAC:          {"bad_source_mac", "Ethernet source is a group, which nobody can be"},
	DropSourceAddress:      {"bad_source", "would begin a session, but its source is no host's address, or the director's own"},
	DropNoSession:          {"no_session", "of no session and cannot begin one: TCP without SYN or with RST, or anything to a local address"},
	DropICMPError:          {"icmp_error", "ICMP error about a packet of no session, or one that the other family has no word for"},
	DropNoService:          {"no_service", "to a VIP, but no service has that protocol and port"},
	DropToHost:             {"to_host", "to the director itself, which has no host path"},
	DropNotOurs:            {"not_ours", "to an address that is not the director's and of no session"},
	DropNoRealServer:       {"no_real_server", "no real server is available (weight 0 or overloaded); answered by ICMP port unreachable"},
	DropRealServerGone:     {"real_server_gone", "the session's real server was removed"},
	DropSessionsFull:       {"sessions_full", "session table is full and holds no half-open session; raise session.max"},
	DropFlowTaken:          {"flow_taken", "another session's answers come on the same flow: one client uses one port towards two services with the same real server"},
	DropNoLocalPort:        {"no_local_port", "no free local address and port towards the real server was found; add local_addresses"},
	DropTTLExceeded:        {"ttl_exceeded", "TTL used up; answered by ICMP time exceeded"},
	DropTooBig:             {"too_big", "larger than the MTU of its way, and with DF or IPv6; answered by ICMP fragmentation needed or packet too big"},
	DropNoRoute:            {"no_route", "no subnet and no route for its destination"},
	DropNeighboursFull:     {"neighbours_full", "neighbour table is full"},
	DropNeighbourQueueFull: {"neighbour_queue_full", "too many packets wait for this next hop to answer ARP, or too many next hops are waited for"},
	DropNeighbourFailed:    {"neighbour_failed", "the next hop does not answer ARP"},
	DropNoHeadroom:         {"no_headroom", "no room in the buffer for another header"},
	DropTxFull:             {"tx_full", "the device did not take it in time"},
	DropHandoffFull:        {"handoff_full", "belongs to another worker, which did not take it over in time"},
	DropStopped:            {"stopped", "still held when the director stopped"},
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
	packet.FaultIPv6Address:    DropIPv6Address,
	packet.FaultIPv6Extension:  DropIPv6Extension,
	packet.FaultFragment:       DropFragment,
	packet.FaultTinyFragment:   DropTinyFragment,
	packet.FaultSCTPChunk:      DropSCTPChunk,
	packet.FaultTCPDataOffset:  DropTCPDataOffset,
	packet.FaultUDPLength:      DropUDPLength,
}
