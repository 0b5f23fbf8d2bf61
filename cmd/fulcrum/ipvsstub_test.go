package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Message types, commands and attributes of IPVS's generic netlink family (Linux 6.12,
// include/uapi/linux/ip_vs.h), and the director's own type for lists of sessions.
const (
	stubFamily   = 0x20
	stubSessions = 0x21

	stubNewService = 1
	stubDelService = 3
	stubGetService = 4
	stubNewDest    = 5
	stubSetDest    = 6
	stubDelDest    = 7
	stubGetDest    = 8
	stubSetConfig  = 12
	stubGetConfig  = 13
	stubSetInfo    = 14
	stubGetInfo    = 15
	stubFlush      = 17

	stubService, stubDest = 1, 2 // attributes of a message
)

// attributes are a message's or a nest's, by their types.
type attributes map[uint16][]byte

// parseAttributes returns what is well formed.
func parseAttributes(b []byte) attributes {
	all := attributes{}
	for len(b) >= 4 {
		length := int(binary.NativeEndian.Uint16(b))
		if length < 4 || length > len(b) {
			break
		}
		all[binary.NativeEndian.Uint16(b[2:])&^0x8000] = bytes.Clone(b[4:length])
		b = b[min((length+3)&^3, len(b)):]
	}
	return all
}

func (a attributes) encode() (b []byte) {
	for _, kind := range slices.Sorted(maps.Keys(a)) {
		b = binary.NativeEndian.AppendUint16(b, uint16(4+len(a[kind])))
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = append(b, a[kind]...)
		b = append(b, make([]byte, -len(b)&3)...)
	}
	return b
}

// key returns the values of some attributes, to find a service or a real server by.
func (a attributes) key(kinds ...uint16) string {
	key := ""
	for _, kind := range kinds {
		key += fmt.Sprintf("%x/", a[kind])
	}
	return key
}

func number(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// counters are statistics of zeros: three counters, two of 64 bits, and five rates.
func counters() []byte {
	a := attributes{}
	for kind := uint16(1); kind <= 10; kind++ {
		a[kind] = make([]byte, 4)
	}
	a[4], a[5] = make([]byte, 8), make([]byte, 8)
	return a.encode()
}

// stubIPVS stands for a director at its socket for IPVS's messages. It keeps what it is given, as
// far as ipvsadm and keepalived need that.
type stubIPVS struct {
	t       *testing.T
	path    string
	library string // to preload; built for the first program

	mu       sync.Mutex
	speaks   *sync.Cond // that silent has changed
	listener *net.UnixListener
	open     []net.Conn
	services map[string]attributes
	dests    map[string]map[string]attributes // by service
	asked    []string                         // every command, such as "NEW_DEST"
	silent   bool                             // it takes requests and keeps the answers back
	sessions []string                         // datagrams of text
	cut      bool                             // it closes after the first datagram of sessions
	refuse   syscall.Errno                    // of every change, unless it is 0
}

func newStubIPVS(t *testing.T) *stubIPVS {
	t.Helper()
	s := &stubIPVS{t: t, path: filepath.Join(t.TempDir(), "ipvs.sock"),
		services: map[string]attributes{}, dests: map[string]map[string]attributes{}}
	s.speaks = sync.NewCond(&s.mu)
	s.start()
	t.Cleanup(func() {
		s.stop()
		s.set(func() { s.silent = false })
	})
	return s
}

func (s *stubIPVS) start() {
	s.t.Helper()
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: s.path, Net: "unixpacket"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			s.mu.Lock()
			s.open = append(s.open, c)
			s.mu.Unlock()
			go s.serve(c)
		}
	}()
}

// stop is a director's end: the socket is gone, and all connections are closed.
func (s *stubIPVS) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener.Close()
	for _, c := range s.open {
		c.Close()
	}
	s.open = nil
}

// set changes the stub while it runs.
func (s *stubIPVS) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.speaks.Broadcast()
}

// awaitSpeech returns when the stub is not silent.
func (s *stubIPVS) awaitSpeech() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.silent {
		s.speaks.Wait()
	}
}

// commands returns how often each command came.
func (s *stubIPVS) commands() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for _, name := range s.asked {
		n[name]++
	}
	return n
}

func (s *stubIPVS) serve(c net.Conn) {
	defer c.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := c.Read(b)
		if err != nil || n < 20 {
			return
		}
		replies := s.answer(b[:n])
		s.awaitSpeech()
		for _, reply := range replies {
			if _, err := c.Write(reply); err != nil {
				return
			}
		}
		if s.closesNow() {
			return
		}
	}
}

func (s *stubIPVS) closesNow() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cut
}

// message is an answer's datagram.
func message(request []byte, kind, flags uint16, payload []byte) []byte {
	b := number(uint32(16 + len(payload)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = append(b, request[8:16]...) // sequence number and port
	return append(b, payload...)
}

// ended is the last answer to a request that is no dump.
func ended(request []byte, err syscall.Errno) []byte {
	return message(request, unix.NLMSG_ERROR, 0, append(number(-uint32(err)), request[:16]...))
}

var stubNames = map[byte]string{stubNewService: "NEW_SERVICE", stubDelService: "DEL_SERVICE",
	stubGetService: "GET_SERVICE", stubNewDest: "NEW_DEST", stubSetDest: "SET_DEST",
	stubDelDest: "DEL_DEST", stubGetDest: "GET_DEST", stubGetConfig: "GET_CONFIG",
	stubSetConfig: "SET_CONFIG", stubGetInfo: "GET_INFO", stubFlush: "FLUSH"}

// answer returns the datagrams that answer a request.
func (s *stubIPVS) answer(request []byte) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind, command := binary.NativeEndian.Uint16(request[4:]), request[16]
	if kind == stubSessions {
		return s.list(request)
	}
	s.asked = append(s.asked, stubNames[command])
	all := parseAttributes(request[20:])
	service, dest := parseAttributes(all[stubService]), parseAttributes(all[stubDest])
	id := service.key(1, 2, 3, 4, 5)
	switch command {
	case stubGetInfo:
		info := attributes{1: number(0x010201), 2: number(4096)}
		return [][]byte{reply(request, stubSetInfo, 0, info), ended(request, 0)}
	case stubGetService:
		if len(service) > 0 { // this one alone
			found := s.services[id]
			if found == nil {
				return [][]byte{ended(request, syscall.ESRCH)}
			}
			return [][]byte{reply(request, stubNewService, 0, attributes{stubService: found.encode()}), ended(request, 0)}
		}
		return dumped(request, stubNewService, stubService, s.services)
	case stubGetDest:
		return dumped(request, stubNewDest, stubDest, s.dests[id])
	}
	if s.refuse != 0 {
		return [][]byte{ended(request, s.refuse)}
	}
	return [][]byte{ended(request, s.change(command, id, service, dest))}
}

// change does what a command asks for.
func (s *stubIPVS) change(command byte, id string, service, dest attributes) syscall.Errno {
	known := s.services[id] != nil
	server := dest.key(1, 2)
	switch command {
	case stubNewService:
		if known {
			return syscall.EEXIST
		}
		service[7][0] |= 2 // hashed
		service[10] = counters()
		s.services[id], s.dests[id] = service, map[string]attributes{}
	case stubDelService:
		if !known {
			return syscall.ESRCH
		}
		delete(s.services, id)
		delete(s.dests, id)
	case stubNewDest, stubSetDest:
		if !known {
			return syscall.ESRCH
		}
		dest[7], dest[8], dest[9], dest[10] = number(0), number(0), number(0), counters()
		s.dests[id][server] = dest
	case stubDelDest:
		if s.dests[id][server] == nil {
			return syscall.ENOENT
		}
		delete(s.dests[id], server)
	case stubFlush:
		clear(s.services)
		clear(s.dests)
	}
	return 0
}

// reply is a message of the family.
func reply(request []byte, command byte, flags uint16, a attributes) []byte {
	return message(request, stubFamily, flags, append([]byte{command, 1, 0, 0}, a.encode()...))
}

// dumped returns a message for each of all, and the end.
func dumped(request []byte, command byte, nest uint16, all map[string]attributes) (replies [][]byte) {
	for _, id := range slices.Sorted(maps.Keys(all)) {
		replies = append(replies, reply(request, command, unix.NLM_F_MULTI, attributes{nest: all[id].encode()}))
	}
	return append(replies, message(request, unix.NLMSG_DONE, unix.NLM_F_MULTI, number(0)))
}

// list returns the sessions.
func (s *stubIPVS) list(request []byte) (replies [][]byte) {
	s.asked = append(s.asked, "SESSIONS")
	if s.refuse != 0 {
		return [][]byte{ended(request, s.refuse)}
	}
	for i, text := range s.sessions {
		if i > 0 && s.cut {
			return replies
		}
		payload := append([]byte{1, 1, 0, 0}, text...)
		replies = append(replies, message(request, stubSessions, unix.NLM_F_MULTI, payload))
	}
	return append(replies, message(request, unix.NLMSG_DONE, unix.NLM_F_MULTI, number(0)))
}
