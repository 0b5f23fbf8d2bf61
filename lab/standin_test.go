package lab

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"fulcrum/config"
	"fulcrum/lvs"

	"golang.org/x/sys/unix"
)

// standIn does what a director does, on AF_PACKET sockets and in the plainest way. So the test bed
// is proven without a director. It knows the lab's MAC addresses and resolves none. It never
// forgets a session.
type standIn struct {
	mode     lvs.Mode
	local    []netip.Addr
	ports    []standInPort // the last one leads to the real servers
	services map[uint8]*standInService
	flows    map[flow]*standInSession // by the ends of an arriving packet
	report   Report
}

type standInPort struct {
	directorPort
	socket int
}

type standInService struct {
	config config.Service
	next   int // round robin
	lports uint16
}

// A flow is the protocol and the ends of a packet.
type flow struct {
	protocol uint8
	from, to netip.AddrPort
}

type standInSession struct {
	rewritten flow
	server    netip.Addr // zero on the way back
}

var errTooLong = errors.New("too long")

func runStandIn(file, report string) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	s := &standIn{services: map[uint8]*standInService{}, flows: map[flow]*standInSession{}}
	for _, service := range c.Services {
		s.services[uint8(service.Protocol)] = &standInService{config: service, lports: 20000}
		s.mode, s.local = service.Mode, service.LocalAddresses
	}
	for _, port := range c.Ports {
		if err := s.openPort(port); err != nil {
			return err
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	fmt.Fprintln(os.Stderr, readyPhrase)
	for len(stop) == 0 {
		if err := s.turn(); err != nil {
			return err
		}
	}
	return s.writeReport(report)
}

func (s *standIn) openPort(p config.Port) error {
	w, err := openWire(p.Name)
	if err != nil {
		return err
	}
	address := p.Addresses[0]
	s.ports = append(s.ports, standInPort{directorPort{p.Name, address, macOf(address.Addr())}, w.socket})
	return unix.SetsockoptInt(w.socket, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
}

func (s *standIn) turn() error {
	var set []unix.PollFd
	for _, p := range s.ports {
		set = append(set, unix.PollFd{Fd: int32(p.socket), Events: unix.POLLIN})
	}
	if _, err := unix.Poll(set, 50); err != nil && err != unix.EINTR {
		return err
	}
	buffer := make([]byte, 2048)
	for _, p := range s.ports {
		for range 64 {
			n, err := unix.Read(p.socket, buffer)
			if err != nil {
				break
			}
			s.report.Received++
			s.count(s.handle(p, buffer[:n]))
		}
	}
	return nil
}

func (s *standIn) count(sent bool) {
	if sent {
		s.report.Transmitted++
		return
	}
	s.report.Consumed++
}

func (s *standIn) handle(p standInPort, frame []byte) bool {
	switch {
	case len(frame) >= 42 && binary.BigEndian.Uint16(frame[12:]) == unix.ETH_P_ARP:
		return s.answerARP(p, frame)
	case len(frame) >= 42 && binary.BigEndian.Uint16(frame[12:]) == unix.ETH_P_IP:
		total := int(binary.BigEndian.Uint16(frame[16:]))
		return s.forward(p, frame[:min(len(frame), ethernetSize+total)])
	default:
		return false
	}
}

func (s *standIn) answerARP(p standInPort, frame []byte) bool {
	target := netip.AddrFrom4([4]byte(frame[38:42]))
	mine := target == vip || target == p.Address.Addr() || slices.Contains(s.local, target)
	if !mine || frame[21] != 1 {
		return false
	}
	return s.send(p, arpFrame(2, p.MAC, target, frame[6:12], netip.AddrFrom4([4]byte(frame[28:32]))))
}

// arpFrame returns a request (1) or a reply (2).
func arpFrame(operation byte, mac net.HardwareAddr, address netip.Addr, toMAC net.HardwareAddr, to netip.Addr) []byte {
	frame := slices.Concat(toMAC, mac, []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, operation}, mac, address.AsSlice(), toMAC, to.AsSlice())
	return append(frame, make([]byte, 60-len(frame))...)
}

func (s *standIn) send(p standInPort, frame []byte) bool {
	_, err := unix.Write(p.socket, frame)
	return err == nil
}

func (s *standIn) forward(p standInPort, frame []byte) bool {
	session := s.session(flowOf(frame[ethernetSize:]))
	if session == nil {
		return false
	}
	back, front := s.ports[len(s.ports)-1], s.ports[0]
	if !session.server.IsValid() { // a response
		s.report.Services[0].OutPackets++
		rewrite(frame[ethernetSize:], session.rewritten)
		copy(frame, slices.Concat(macOf(host(frontNet, hostRouter)), front.MAC))
		return s.send(front, frame)
	}
	rewrite(frame[ethernetSize:], session.rewritten)
	copy(frame, slices.Concat(macOf(session.server), back.MAC))
	if s.mode != lvs.IPIP {
		return s.send(back, frame)
	}
	wrapped, err := wrap(frame, back.Address.Addr(), session.server)
	if err != nil {
		return s.send(front, tooLong(frame, front))
	}
	return s.send(back, wrapped)
}

func (s *standIn) session(f flow) *standInSession {
	service := s.services[f.protocol]
	if known := s.flows[f]; known != nil || service == nil || f.to != service.config.Address {
		return known
	}
	server := service.config.RealServers[service.next%len(service.config.RealServers)].Address
	service.next++
	rewritten := f
	if s.mode.TwoWay() {
		rewritten.to = server
	}
	if s.mode == lvs.FullNAT {
		service.lports++
		rewritten.from = netip.AddrPortFrom(s.local[service.next%len(s.local)], service.lports)
	}
	if s.mode.TwoWay() {
		s.flows[flow{f.protocol, rewritten.to, rewritten.from}] = &standInSession{rewritten: flow{f.protocol, f.to, f.from}}
	}
	s.flows[f] = &standInSession{rewritten: rewritten, server: server.Addr()}
	if len(s.report.Services) == 0 {
		s.report.Services = []ServiceReport{{}}
	}
	return s.flows[f]
}

func flowOf(ip []byte) flow {
	end := func(address, port int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[address:address+4])), binary.BigEndian.Uint16(ip[port:]))
	}
	return flow{ip[9], end(12, 20), end(16, 22)}
}

// rewrite sets addresses and ports, decrements the TTL and computes the checksums.
func rewrite(ip []byte, to flow) {
	if flowOf(ip) != to {
		copy(ip[12:], to.from.Addr().AsSlice())
		copy(ip[16:], to.to.Addr().AsSlice())
		binary.BigEndian.PutUint16(ip[20:], to.from.Port())
		binary.BigEndian.PutUint16(ip[22:], to.to.Port())
		at := map[uint8]int{unix.IPPROTO_TCP: 36, unix.IPPROTO_UDP: 26}[to.protocol]
		setChecksum(ip[20:], at-20, slices.Concat(ip[12:20], []byte{0, to.protocol, byte(len(ip[20:]) >> 8), byte(len(ip[20:]))}))
	}
	ip[8]--
	setChecksum(ip[:20], 10, nil)
}

func setChecksum(data []byte, at int, pseudo []byte) {
	binary.BigEndian.PutUint16(data[at:], 0)
	var sum uint32
	for _, part := range [][]byte{pseudo, data} {
		for i, b := range part {
			sum += uint32(b) << (8 * (1 - i%2))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(data[at:], ^uint16(sum))
}

// wrap puts an outer header between the Ethernet header and the packet.
func wrap(frame []byte, from, to netip.Addr) ([]byte, error) {
	total := len(frame) - ethernetSize + ipv4Size
	if total > 1500 {
		return nil, errTooLong
	}
	outer := ipv4Header(unix.IPPROTO_IPIP, total, from, to)
	return slices.Concat(frame[:ethernetSize], outer, frame[ethernetSize:]), nil
}

func ipv4Header(protocol byte, total int, from, to netip.Addr) []byte {
	header := slices.Concat([]byte{0x45, 0, byte(total >> 8), byte(total), 0, 0, 0x40, 0, 64, protocol, 0, 0}, from.AsSlice(), to.AsSlice())
	setChecksum(header, 10, nil)
	return header
}

// tooLong returns the ICMP error "fragmentation needed" about a frame, with an MTU that leaves
// space for the outer header.
func tooLong(frame []byte, p standInPort) []byte {
	inner := frame[ethernetSize : ethernetSize+28]
	icmp := slices.Concat([]byte{3, 4, 0, 0, 0, 0, 1480 >> 8, 1480 & 0xff}, inner)
	setChecksum(icmp, 2, nil)
	to := netip.AddrFrom4([4]byte(inner[12:16]))
	return slices.Concat(macOf(host(frontNet, hostRouter)), p.MAC, []byte{8, 0},
		ipv4Header(unix.IPPROTO_ICMP, 20+len(icmp), p.Address.Addr(), to), icmp)
}

func (s *standIn) writeReport(file string) error {
	text, err := json.Marshal(s.report)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
