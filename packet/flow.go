package packet

// Flow4 is what the packets of one direction of an IPv4 session have in common, beside the protocol: source and
// destination as they stand in the packet, host-order numbers.
type Flow4 struct {
	Src, Dst         uint32
	SrcPort, DstPort uint16
}

// Key4 is a flow with its protocol: what tells one direction of a session from all others.
type Key4 struct {
	Flow4
	Protocol uint8
}

// Flow is Flow4 for either family: IPv4 addresses are mapped ones (Addr).
type Flow struct {
	Src, Dst         Addr
	SrcPort, DstPort uint16
}

// Wide returns the flow in the form that both families have.
func (f *Flow4) Wide() Flow {
	return Flow{Src: AddrOf4(f.Src), Dst: AddrOf4(f.Dst), SrcPort: f.SrcPort, DstPort: f.DstPort}
}

// Narrow returns an IPv4 flow in its own form; addresses of IPv6 become zero.
func (f *Flow) Narrow() (n Flow4) {
	f.WriteNarrow(&n)
	return n
}

// WriteNarrow writes what Narrow returns into n, field by field: a flow that is copied as a whole right
// after it was made has the CPU wait for its parts.
func (f *Flow) WriteNarrow(n *Flow4) {
	n.Src, n.Dst = f.Src.narrow(), f.Dst.narrow()
	n.SrcPort, n.DstPort = f.SrcPort, f.DstPort
}

// narrow returns the number of an IPv4 address, and 0 for one of IPv6.
func (a Addr) narrow() uint32 {
	if a.Is4() {
		return a.V4()
	}
	return 0
}

// Reverse returns the flow of the packets that come back.
func (f *Flow) Reverse() Flow {
	return Flow{Src: f.Dst, Dst: f.Src, SrcPort: f.DstPort, DstPort: f.SrcPort}
}

// Key is Key4 for either family.
type Key struct {
	Flow
	Protocol uint8
}

// Wide returns the key in the form that both families have.
func (k *Key4) Wide() Key { return Key{k.Flow4.Wide(), k.Protocol} }

// Narrow returns an IPv4 key in its own form.
func (k *Key) Narrow() Key4 { return Key4{k.Flow.Narrow(), k.Protocol} }
