package conntrack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"fulcrum/lvs"
	"fulcrum/packet"
)

// A table's records may be in a file, where they outlive the process. The file has a header, the
// records by slot, and the second lines of IPv6 sessions. The index and the ticks are not in it:
// the reader of the file enters each session anew (Restore), so that nothing in the file has to be
// believed but the sessions themselves.
//
// A record that a crash has cut off is recognised by its state: None until the session is set up.

// KeptVersion is the version of the file's format.
const KeptVersion = 1

const (
	keptHeaderLen = 4096
	keptBeat      = 64 // where Beat writes keptSigns, in the machine's byte order
	keptMagic     = "fulcrum sessions"
)

// keptHeader is the beginning of the file; numbers are little-endian.
type keptHeader struct {
	Layout               uint32 // LayoutVersion
	Sessions4, Sessions6 uint64 // slots
	beat                 uint32 // see KeptFile; in the machine's byte order
}

func (h *keptHeader) encode() []byte {
	b := append(make([]byte, 0, keptHeaderLen), keptMagic...)
	b = binary.LittleEndian.AppendUint32(b, KeptVersion)
	b = binary.LittleEndian.AppendUint32(b, h.Layout)
	b = binary.LittleEndian.AppendUint64(b, h.Sessions4)
	return binary.LittleEndian.AppendUint64(b, h.Sessions6)
}

// ErrKept reports a file that has no sessions of this version of the director.
var ErrKept = errors.New("no file of sessions")

// decode reads a header.
func (h *keptHeader) decode(b []byte) error {
	rest, ok := bytes.CutPrefix(b, []byte(keptMagic))
	if !ok || len(rest) < 24 {
		return ErrKept
	}
	if v := binary.LittleEndian.Uint32(rest); v != KeptVersion {
		return fmt.Errorf("%w: its format is %d, this director reads %d", ErrKept, v, KeptVersion)
	}
	h.Layout = binary.LittleEndian.Uint32(rest[4:])
	h.Sessions4, h.Sessions6 = binary.LittleEndian.Uint64(rest[8:]), binary.LittleEndian.Uint64(rest[16:])
	if h.Layout != LayoutVersion {
		return fmt.Errorf("%w: its layout is %d, this director has %d", ErrKept, h.Layout, LayoutVersion)
	}
	if h.Sessions4 > uint64(MaxSessions) || h.Sessions6 > uint64(MaxSessions)-h.Sessions4 {
		return fmt.Errorf("%w: it would have %d and %d slots", ErrKept, h.Sessions4, h.Sessions6)
	}
	h.beat = binary.NativeEndian.Uint32(b[keptBeat:])
	return nil
}

// KeptSession is a session of a file.
type KeptSession struct {
	Session
	Addresses Addresses6 // of an IPv6 session
	Place     int        // among the records of the file
}

// In returns the key of its client's packets.
func (s *KeptSession) In() Key {
	k := Key{Flow: s.Session.In.Wide(), Protocol: s.Protocol}
	if s.has6(Inbound) {
		k.Flow = s.Addresses.flow(&s.Session, Inbound)
	}
	return k
}

// Out returns the flow of its answers.
func (s *KeptSession) Out() Flow {
	if s.has6(Outbound) {
		return s.Addresses.flow(&s.Session, Outbound)
	}
	return s.Session.Out.Wide()
}

// TwoWay reports whether its answers pass the director.
func (s *KeptSession) TwoWay() bool { return s.Flags&TwoWay != 0 }

// whole reports whether a record holds a session that was set up, and nothing impossible.
func (s *KeptSession) whole(six bool) bool {
	switch {
	case s.State == None || s.State >= NumStates || s.Mode >= lvs.NumModes,
		six != (s.Flags&In6 != 0), !six && s.Flags&Out6 != 0,
		s.TwoWay() != s.Mode.TwoWay():
		return false
	}
	switch s.Protocol {
	case packet.ProtocolTCP, packet.ProtocolUDP, packet.ProtocolSCTP, packet.ProtocolICMP, packet.ProtocolICMPv6:
		return true
	}
	return false
}

// keptChunk is how many records are read at a time.
const keptChunk = 1 << 14

// KeptFile is what a file says besides its sessions.
type KeptFile struct {
	Broken int    // records that were in use and are no sessions: cut off, or damaged
	Beat   uint32 // when its process last said that it lives, in ms; 0 is not known
}

// KeptBatch is how many sessions ReadKept hands out at a time, at most.
const KeptBatch = 32

// ReadKept calls each for all sessions of a file of the given size, some at a time, which are valid
// only during the call. It returns ErrKept for a file that has none.
func ReadKept(f io.ReaderAt, size int64, each func([]KeptSession)) (k KeptFile, err error) {
	h, err := readHeader(f, size)
	if err != nil {
		return k, err
	}
	r := keptReader{f: f, each: each}
	r.read(keptHeaderLen, -1, int(h.Sessions4))
	r.first = int(h.Sessions4)
	r.read(keptHeaderLen+int64(h.Sessions4)*int64(sessionLen), h.seconds(), int(h.Sessions6))
	return KeptFile{Broken: r.broken, Beat: h.beat}, r.err
}

// readHeader reads the header of a file of the given size, which has room for what it promises.
func readHeader(f io.ReaderAt, size int64) (h keptHeader, err error) {
	header := make([]byte, keptHeaderLen)
	if _, err := f.ReadAt(header, 0); err != nil {
		return h, fmt.Errorf("%w: %w", ErrKept, err)
	}
	if err := h.decode(header); err != nil {
		return h, err
	}
	if size < h.seconds()+int64(sizeInLines[Addresses6](int(h.Sessions6))) {
		return h, fmt.Errorf("%w: it is cut off", ErrKept)
	}
	return h, nil
}

// seconds returns the offset of the second lines of IPv6 sessions.
func (h *keptHeader) seconds() int64 {
	return keptHeaderLen + int64(sizeInLines[Session](int(h.Sessions4+h.Sessions6)))
}

// keptReader reads records.
type keptReader struct {
	f       io.ReaderAt
	records []Session // as many as are read at a time
	lines   []Addresses6
	each    func([]KeptSession)
	first   int // the place of the first record that read reads
	batch   [KeptBatch]KeptSession
	broken  int
	err     error
}

// read reads n records from offset at. seconds is the offset of their second lines, or -1.
func (r *keptReader) read(at, seconds int64, n int) {
	for first := 0; first < n && r.err == nil; first += keptChunk {
		count := min(keptChunk, n-first)
		records := readRecords(r, &r.records, at+int64(first*sessionLen), count)
		var lines []Addresses6
		if seconds >= 0 {
			lines = readRecords(r, &r.lines, seconds+int64(first*addressesLen), count)
		}
		if r.err == nil {
			r.give(r.first+first, records, lines)
		}
	}
}

// give hands out the sessions of some records. The first record has the given place.
func (r *keptReader) give(place int, records []Session, lines []Addresses6) {
	n := 0
	for i := range records {
		if !records[i].Live() {
			continue
		}
		s := &r.batch[n]
		s.Session, s.Place = records[i], place+i
		if lines != nil {
			s.Addresses = lines[i]
		}
		if !s.whole(lines != nil) {
			r.broken++
			continue
		}
		if n++; n == KeptBatch {
			r.each(r.batch[:])
			n = 0
		}
	}
	if n > 0 {
		r.each(r.batch[:n])
	}
}

// PrefetchKept prefetches where Restore will enter a session.
func (t *Table) PrefetchKept(s *KeptSession) {
	in := s.In()
	t.Prefetch(t.Hash(&in))
	if s.TwoWay() {
		back := Key{Flow: s.Out(), Protocol: s.Protocol}
		t.Prefetch(t.Hash(&back))
	}
}

// Restore adds a session of a file as it was, but without its real server, its next hop, its
// template, what it counts for and what chose its worker. It returns false if there is no room, or
// another session has one of its flows. now is in ms.
func (t *Table) Restore(s *KeptSession, now uint32) (slot uint32, ok bool) {
	in, out := s.In(), s.Out()
	h := Hashes{In: t.Hash(&in)}
	if _, taken := t.Lookup(h.In, &in); taken {
		return 0, false
	}
	if s.TwoWay() {
		back := Key{Flow: out, Protocol: s.Protocol}
		h.Out = t.Hash(&back)
		if _, taken := t.Lookup(h.Out, &back); taken {
			return 0, false
		}
	}
	if slab := t.slabFor(!in.Src.Is4()); slab.count == int(slab.size) {
		return 0, false
	}
	slot, ok = t.Insert(&in, h, &out, s.TwoWay(), now)
	if !ok {
		return 0, false
	}
	to := &t.sessions[slot]
	to.State, to.Mode, to.LastSeen, to.SeqDelta = s.State, s.Mode, s.LastSeen, s.SeqDelta
	to.PacketsIn, to.PacketsOut = s.PacketsIn, s.PacketsOut
	t.arm(slot, now)
	return slot, true
}
