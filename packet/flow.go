package packet

// Flow4 identifies one direction of an IPv4 session, except for the protocol. Source and
// destination are those of its packets, as host-order numbers.
type Flow4 struct {
	Src, Dst         uint32 // host order
	SrcPort, DstPort uint16 // host order; 0 for protocols without ports
}

// Key4 is a flow with its protocol. It identifies one direction of a session.
type Key4 struct {
	Flow4
	Protocol uint8 // IANA number, such as ProtocolTCP
}

// Flow is Flow4 for either family. IPv4 addresses are in their mapped form (Addr).
type Flow struct {
	Src, Dst         Addr   // both of one family
	SrcPort, DstPort uint16 // host order; 0 for protocols without ports
}

// Wide returns the flow as a Flow, with mapped addresses.
func (f *Flow4) Wide() Flow {
	return Flow{Src: AddrOf4(f.Src), Dst: AddrOf4(f.Dst), SrcPort: f.SrcPort, DstPort: f.DstPort}
}

// Narrow returns an IPv4 flow as a Flow4. IPv6 addresses become zero.
func (f *Flow) Narrow() (n Flow4) {
	f.WriteNarrow(&n)
	return n
}

// WriteNarrow writes the result of Narrow into n, field by field. The CPU stalls when a whole flow
// is copied right after its fields were written.
func (f *Flow) WriteNarrow(n *Flow4) {
	n.Src, n.Dst = f.Src.narrow(), f.Dst.narrow()
	n.SrcPort, n.DstPort = f.SrcPort, f.DstPort
}

// WriteNarrow4 is WriteNarrow for a flow of IPv4. An address that is not known, the zero Addr,
// becomes zero.
func (f *Flow) WriteNarrow4(n *Flow4) {
	n.Src, n.Dst = f.Src.V4(), f.Dst.V4()
	n.SrcPort, n.DstPort = f.SrcPort, f.DstPort
}

// narrow returns an IPv4 address as a number, and 0 for an IPv6 address.
func (a Addr) narrow() uint32 {
	if a.Is4() {
		return a.V4()
	}
	return 0
}

// Reverse returns the flow of the opposite direction.
func (f *Flow) Reverse() Flow {
	return Flow{Src: f.Dst, Dst: f.Src, SrcPort: f.DstPort, DstPort: f.SrcPort}
}

// Key is Key4 for either family.
type Key struct {
	Flow
	Protocol uint8 // IANA number, such as ProtocolTCP
}

// Wide returns the key as a Key, with mapped addresses.
func (k *Key4) Wide() Key { return Key{k.Flow4.Wide(), k.Protocol} }

// WriteWide writes the result of Wide into w, field by field, as WriteNarrow does.
func (k *Key4) WriteWide(w *Key) {
	w.Src, w.Dst = AddrOf4(k.Src), AddrOf4(k.Dst)
	w.SrcPort, w.DstPort, w.Protocol = k.SrcPort, k.DstPort, k.Protocol
}

// Narrow returns an IPv4 key as a Key4. IPv6 addresses become zero.
func (k *Key) Narrow() Key4 { return Key4{k.Flow.Narrow(), k.Protocol} }
