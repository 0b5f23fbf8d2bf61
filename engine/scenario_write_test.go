package engine

import (
	"encoding/binary"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"fulcrum/packet"
)

// The notation of packets of docs/testing.md: this file makes frames of it, scenario_read_test.go
// the reverse.

// icmpKinds are the messages of the notation, by type and code of IPv4.
var icmpKinds = []struct {
	name      string
	typ, code uint8
}{
	{"echo", packet.ICMPEchoRequest, 0},
	{"echo-reply", packet.ICMPEchoReply, 0},
	{"host-unreachable", packet.ICMPUnreachable, packet.ICMPCodeHostUnreachable},
	{"port-unreachable", packet.ICMPUnreachable, packet.ICMPCodePortUnreachable},
	{"protocol-unreachable", packet.ICMPUnreachable, packet.ICMPCodeProtocolUnreachable},
	{"too-big", packet.ICMPUnreachable, packet.ICMPCodeFragmentationNeeded},
	{"ttl-exceeded", packet.ICMPTimeExceeded, packet.ICMPCodeTTLExceeded},
}

// chunkKinds are SCTP's chunks.
var chunkKinds = map[string]uint8{
	"DATA": 0, "INIT": 1, "INIT-ACK": 2, "SACK": 3, "HEARTBEAT": 4, "ABORT": 6, "SHUTDOWN": 7,
	"SHUTDOWN-ACK": 8, "COOKIE-ECHO": 10, "COOKIE-ACK": 11, "SHUTDOWN-COMPLETE": 14,
}

const protocolGRE = 47

// wordPattern matches the words of a packet's line; a quoted text is one word.
var wordPattern = regexp.MustCompile(`"[^"]*"|\S+`)

// written is a line of notation that is being read.
type written struct {
	*scenario
	line        string
	words       []string // still to be read
	pkt         pkt
	sctp        string // the first chunk
	damaged     bool   // on its way, in the last byte
	cut         bool   // send only one fragment:
	begins, end int    // its place in the datagram
}

// frameOf makes the frame that a line describes. Its sender is the station with the source address
// if that is on the port's subnet, and otherwise the gateway.
func (s *scenario) frameOf(port int, line string) []byte {
	w := &written{scenario: s, line: strings.TrimSpace(line)}
	w.words = wordPattern.FindAllString(w.line, -1)
	if w.words[0] == "arp" || w.words[0] == "nd" {
		return w.resolution(port)
	}
	w.packet()
	b := w.bytes()
	return ethernet(s.sender(port, w.pkt.src.Addr()), s.site.ports[port].mac, w.pkt.etherType(), b)
}

// sender returns the MAC from which packets of an address come in at a port.
func (s *scenario) sender(port int, from netip.Addr) packet.MAC {
	if subnet, ok := portOf(from, len(s.ports)); ok && subnet == port {
		return stationMAC(from)
	}
	gateway := gateways4[port]
	if from.Is6() {
		gateway = gateways6[port]
	}
	return stationMAC(netip.MustParseAddr(gateway))
}

func (w *written) fail() { w.Fatalf("what does %q mean? At: %q", w.line, w.words) }

// next takes a word.
func (w *written) next() string {
	if len(w.words) == 0 {
		w.fail()
	}
	word := w.words[0]
	w.words = w.words[1:]
	return word
}

// packet reads a packet with its options.
func (w *written) packet() {
	w.pkt = pkt{ttl: 64, id: 7}
	switch protocol := w.next(); protocol {
	case "tcp":
		w.pkt.protocol, w.pkt.seq, w.pkt.ack = packet.ProtocolTCP, 1000, 2000
		w.ends()
		w.flags(w.next())
	case "udp":
		w.pkt.protocol = packet.ProtocolUDP
		w.ends()
	case "sctp":
		w.pkt.protocol = packet.ProtocolSCTP
		w.ends()
		w.sctp = w.next()
	case "icmp":
		w.pkt.protocol = packet.ProtocolICMP
		w.icmpKind(w.next())
		w.ends()
	case "ipip":
		w.ends()
	case "gre":
		w.pkt.protocol = protocolGRE
		w.ends()
	default:
		w.fail()
	}
	for len(w.words) > 0 {
		w.option(w.next())
	}
}

// ends reads SOURCE > DESTINATION.
func (w *written) ends() {
	w.pkt.src = w.station()
	if w.next() != ">" {
		w.fail()
	}
	w.pkt.dst = w.station()
}

// station reads an address, with a port if there is one, or the name of a local end.
func (w *written) station() netip.AddrPort {
	word := w.next()
	if number, ok := strings.CutPrefix(word, "L"); ok {
		i := scenarioNumber(w, number)
		if i < 1 || i > len(w.local) {
			w.Fatalf("%s: no local address %s has been seen", w.line, word)
		}
		return w.local[i-1]
	}
	return at4(word)
}

func (w *written) flags(letters string) {
	if letters == "none" {
		return
	}
	var ok bool
	if w.pkt.flags, ok = packet.ParseTCPFlags(letters); !ok {
		w.Fatalf("%s: unknown TCP flags %q", w.line, letters)
	}
}

func (w *written) icmpKind(name string) {
	for _, k := range icmpKinds {
		if k.name == name {
			w.pkt.icmp = layers.CreateICMPv4TypeCode(k.typ, k.code)
			return
		}
	}
	w.fail()
}

// option reads what follows the ends of a packet.
func (w *written) option(word string) {
	key, value, _ := strings.Cut(word, "=")
	number := func() int { return scenarioNumber(w, value) }
	switch {
	case word[0] == '"':
		w.pkt.payload = []byte(word[1 : len(word)-1])
	case key == "call":
		w.pkt.payload = []byte(message(value))
	case key == "len":
		w.pkt.payload = filling(number())
	case key == "ttl":
		w.pkt.ttl = uint8(number())
	case key == "tos":
		w.pkt.tos = uint8(number())
	case key == "df":
		w.pkt.df = true
	case key == "id":
		w.pkt.id = uint16(number())
	case key == "seq":
		w.pkt.seq = uint32(number())
	case key == "ack":
		w.pkt.ack = uint32(number())
	case key == "damaged":
		w.damaged = true
	case key == "mss":
		w.pkt.mss = uint16(number())
	case key == "mtu":
		w.pkt.rest = uint32(number())
	case key == "echo":
		w.pkt.rest = uint32(number())<<16 | 1
	case key == "frag":
		w.fragment(value)
	case key == "about":
		w.pkt.about = &w.rest().pkt
	case key == "carrying":
		w.wrap(w.rest().pkt)
	default:
		w.fail()
	}
}

// filling is a payload of n bytes.
func filling(n int) []byte { return []byte(strings.Repeat("0123456789", n/10+1)[:n]) }

// rest reads the rest of the line as a packet that another packet quotes or carries.
func (w *written) rest() *written {
	inner := &written{scenario: w.scenario, line: w.line, words: w.words}
	w.words = nil
	inner.packet()
	inner.finish()
	return inner
}

func (w *written) wrap(inner pkt) {
	w.pkt = tunnelled(inner, w.pkt.src.Addr(), w.pkt.dst.Addr(), w.pkt.id)
}

// fragment reads OFFSET+LENGTH.
func (w *written) fragment(value string) {
	at, length, ok := strings.Cut(value, "+")
	if !ok {
		w.fail()
	}
	w.cut, w.begins = true, scenarioNumber(w, at)
	w.end = w.begins + scenarioNumber(w, length)
}

// finish makes the payload of protocols that pkt does not know.
func (w *written) finish() {
	if w.pkt.protocol != packet.ProtocolSCTP {
		return
	}
	kind, ok := chunkKinds[w.sctp]
	if !ok {
		w.fail()
	}
	l := &layers.SCTP{
		SrcPort:         layers.SCTPPort(w.pkt.src.Port()),
		DstPort:         layers.SCTPPort(w.pkt.dst.Port()),
		VerificationTag: 7,
	}
	w.pkt.payload = serialize(l, append(gopacket.Payload{kind, 0, 0, 24}, make([]byte, 20)...))
}

// bytes returns the packet, or its selected fragment, from its IP header on.
func (w *written) bytes() []byte {
	w.finish()
	whole := w.pkt.ip()
	if w.damaged {
		whole[len(whole)-1] ^= 1
	}
	if !w.cut {
		return whole
	}
	header := packet.IPv4MinLen
	if w.pkt.is6() {
		header = packet.IPv6Len
	}
	data := whole[header:]
	if w.end > len(data) {
		w.Fatalf("%s: the datagram has %d bytes", w.line, len(data))
	}
	piece, more := data[w.begins:w.end], w.end < len(data)
	if w.pkt.is6() {
		return fragment6(whole, piece, w.begins, more, w.pkt.id)
	}
	return fragment4(whole, piece, w.begins, more)
}

// resolution makes a message of ARP or neighbour discovery.
//
//	arp who-has ADDRESS tell ADDRESS
//	arp ADDRESS is-at [MAC]
func (w *written) resolution(port int) []byte {
	six := w.next() == "nd"
	if w.words[0] == "who-has" {
		w.next()
		whom := at4(w.next()).Addr()
		w.next()
		asks := at4(w.next()).Addr()
		if six {
			return solicits(whom, host{asks, stationMAC(asks)})
		}
		return whoHas(whom, host{asks, stationMAC(asks)})
	}
	who := at4(w.next()).Addr()
	w.next()
	answers := host{who, stationMAC(who)}
	if len(w.words) > 0 {
		answers.mac = w.mac(w.next())
	}
	if six {
		own := netip.MustParsePrefix(subnets6[port]).Addr()
		return advertises(answers, host{own, w.site.ports[port].mac})
	}
	return isAt(answers, w.site.ports[port])
}

func (w *written) mac(text string) (m packet.MAC) {
	for i, part := range strings.Split(text, ":") {
		b, err := strconv.ParseUint(part, 16, 8)
		if err != nil || i >= len(m) {
			w.fail()
		}
		m[i] = byte(b)
	}
	return m
}

// quotedLength returns the length of a packet by its own header, in bytes from the IP header on.
func quotedLength(b []byte) int {
	if b[0]>>4 == 6 {
		return packet.IPv6Len + int(binary.BigEndian.Uint16(b[4:]))
	}
	return int(binary.BigEndian.Uint16(b[2:]))
}
