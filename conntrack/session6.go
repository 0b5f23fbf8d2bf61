package conntrack

import (
	"encoding/binary"

	"fulcrum/packet"
)

// Addresses6 is the second cache line of an IPv6 session: the addresses that do not fit its record.
// An IPv4 flow of such a session has its addresses in the record, and zeros here.
type Addresses6 struct {
	In, Out Pair6 // of the flows in Session.In and Session.Out
}

// Pair6 is the two addresses of one flow.
type Pair6 struct {
	Src, Dst packet.Addr // zero for an IPv4 flow
}

// pair returns the addresses of the flow in direction d.
func (a *Addresses6) pair(d Direction) *Pair6 {
	if d == Inbound {
		return &a.In
	}
	return &a.Out
}

// AddressesOf returns the addresses of the IPv6 session in a slot.
func (t *Table) AddressesOf(slot uint32) *Addresses6 { return &t.addresses[slot-t.six.first] }

// Hash returns the hash under which a key of either family is looked up.
func (t *Table) Hash(k *Key) uint64 {
	if k.Src.Is4() {
		return t.hasher.HashNarrow(k)
	}
	return t.hasher.Hash(k)
}

// Confirm reports whether ref refers to the flow with the key, of either family. ref may come from
// before a change of the table.
func (t *Table) Confirm(ref Ref, k *Key) bool {
	if k.Src.Is4() {
		narrow := k.Narrow()
		return t.Confirm4(ref, &narrow)
	}
	return t.confirm6(ref, k)
}

// Lookup returns the session and direction of a key of either family. hash must be the key's, as
// Hash returns it. It reads the key's other bucket too, unlike Candidate and Probe.
func (t *Table) Lookup(hash uint64, k *Key) (Ref, bool) {
	if t.index.lacks(hash) {
		return 0, false
	}
	if k.Src.Is4() {
		narrow := k.Narrow()
		return t.Lookup4(hash, &narrow)
	}
	e, ok := t.index.find(hash, func(r Ref) bool { return t.confirm6(r, k) })
	if !ok {
		return 0, false
	}
	return t.index.buckets[e.bucket].refs[e.i], true
}

func (t *Table) confirm6(ref Ref, k *Key) bool {
	if ref == 0 || !t.Is6(ref.Slot()) {
		return false
	}
	slot, d := ref.Slot(), ref.Direction()
	s, a := &t.sessions[slot], t.AddressesOf(slot).pair(d)
	f := s.flow(d)
	return f.SrcPort == k.SrcPort && f.DstPort == k.DstPort && s.Protocol == k.Protocol &&
		a.Src == k.Src && a.Dst == k.Dst && s.Flags&flowFlags[d] == flows6[d]
}

// OfClient6 returns the session of ref, and its addresses, if it has the key of a client's usual
// IPv6 packet, and otherwise nil. addresses are the source and the destination as they are in the
// packet; those of k are not read.
func (t *Table) OfClient6(ref Ref, k *Key4, addresses *[32]byte) (*Session, *Addresses6) {
	slot := uint32(ref) - 1 // no record's if ref is zero or Outbound
	at := uint64(slot) - uint64(t.six.first)
	if at >= uint64(len(t.addresses)) || uint64(slot) >= uint64(len(t.sessions)) {
		return nil, nil
	}
	s, a, be := &t.sessions[slot], &t.addresses[at], binary.BigEndian
	if a.In.Src.Lo != be.Uint64(addresses[8:]) || a.In.Src.Hi != be.Uint64(addresses[0:]) ||
		a.In.Dst.Lo != be.Uint64(addresses[24:]) || a.In.Dst.Hi != be.Uint64(addresses[16:]) ||
		s.In.SrcPort != k.SrcPort || s.In.DstPort != k.DstPort || s.Protocol != k.Protocol ||
		s.Flags&(live|In6) != live|In6 {
		return nil, nil
	}
	return s, a
}

// ConfirmUsual6 is Confirm for a usual IPv6 packet (packet.ParseUsual), as OfClient6.
func (t *Table) ConfirmUsual6(ref Ref, k *Key4, addresses *[32]byte) bool {
	if ref == 0 || !t.Is6(ref.Slot()) {
		return false
	}
	slot, d, be := ref.Slot(), ref.Direction(), binary.BigEndian
	s, a := &t.sessions[slot], t.AddressesOf(slot).pair(d)
	f := s.flow(d)
	return a.Src.Lo == be.Uint64(addresses[8:]) && a.Src.Hi == be.Uint64(addresses[0:]) &&
		a.Dst.Lo == be.Uint64(addresses[24:]) && a.Dst.Hi == be.Uint64(addresses[16:]) &&
		f.SrcPort == k.SrcPort && f.DstPort == k.DstPort && s.Protocol == k.Protocol &&
		s.Flags&flowFlags[d] == flows6[d]
}

// write6 writes the flows of a new session of an IPv6 client and returns its flags. The real
// server's packets are IPv4 if both addresses of out are.
func (t *Table) write6(slot uint32, in *Key, out *Flow) Flags {
	a, s := t.AddressesOf(slot), &t.sessions[slot]
	a.In.Src, a.In.Dst = in.Src, in.Dst
	s.In = portsOf(&in.Flow)
	if out.Src.Is4() && out.Dst.Is4() {
		a.Out = Pair6{}
		out.WriteNarrow(&s.Out)
		return In6
	}
	a.Out.Src, a.Out.Dst = out.Src, out.Dst
	s.Out = portsOf(out)
	return In6 | Out6
}

// portsOf returns the part of an IPv6 flow that the record holds.
func portsOf(f *Flow) Flow4 { return Flow4{SrcPort: f.SrcPort, DstPort: f.DstPort} }

// Flow returns the flow in direction d of the session in a slot, of either family.
func (t *Table) Flow(slot uint32, d Direction) Flow {
	s := &t.sessions[slot]
	if !s.has6(d) {
		return s.flow(d).Wide()
	}
	return t.AddressesOf(slot).flow(s, d)
}

// flow returns the IPv6 flow in direction d of session s, to which the addresses belong.
func (a *Addresses6) flow(s *Session, d Direction) Flow {
	f, p := s.flow(d), a.pair(d)
	return Flow{Src: p.Src, Dst: p.Dst, SrcPort: f.SrcPort, DstPort: f.DstPort}
}

// Flows returns both flows of the session in a slot.
func (t *Table) Flows(slot uint32) (in, out Flow) {
	return t.Flow(slot, Inbound), t.Flow(slot, Outbound)
}

// has6 reports whether the session's packets are IPv6 in direction d.
func (s *Session) has6(d Direction) bool { return s.Flags&(flowFlags[d]&(In6|Out6)) != 0 }

// Copy is a copy of a session of either family. It stays valid when the table changes, and anyone
// may read it.
type Copy struct {
	Session
	addresses Addresses6 // of an IPv6 session
}

// CopyTo copies the session in a slot. It costs little more than reading the record, so another
// goroutine can do the rest.
func (t *Table) CopyTo(slot uint32, c *Copy) {
	c.Session = t.sessions[slot]
	if t.Is6(slot) {
		c.addresses = *t.AddressesOf(slot)
	}
}

// Flow returns the flow in direction d of the copied session, as Table.Flow does.
func (c *Copy) Flow(d Direction) Flow {
	if !c.has6(d) {
		return c.flow(d).Wide()
	}
	return c.addresses.flow(&c.Session, d)
}

// rehash6 is rehash for an IPv6 flow.
func (t *Table) rehash6(r Ref) uint64 {
	k := Key{Flow: t.Flow(r.Slot(), r.Direction()), Protocol: t.sessions[r.Slot()].Protocol}
	return t.Hash(&k)
}
