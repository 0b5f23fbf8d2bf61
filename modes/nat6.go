package modes

import "fulcrum/packet"

// Translate6 rewrites an IPv6 packet to the IPv6 flow to, as nat and fullnat do. transport is the
// offset of the transport header in ip, as packet.Parse checked it. Checksums are corrected as in
// Translate.
func Translate6(ip packet.IPv6, transport int, protocol uint8, to *packet.Flow) {
	addresses := packet.Delta(0).ChangeAddr(ip.Src(), to.Src).ChangeAddr(ip.Dst(), to.Dst)
	ip.SetSrc(to.Src)
	ip.SetDst(to.Dst)
	Route6(ip)
	setTransport(ip[transport:], protocol, ports{to.SrcPort, to.DstPort}, addresses)
}

// TranslateLater6 is Translate6 for a fragment that is not the first of its packet: it has no
// ports.
func TranslateLater6(ip packet.IPv6, to *packet.Flow) {
	ip.SetSrc(to.Src)
	ip.SetDst(to.Dst)
	Route6(ip)
}

// TranslateLater is TranslateLater6 for IPv4.
func TranslateLater(ip packet.IPv4, to *packet.Flow4) {
	setNetwork(ip, to, packet.Delta(0).Change32(ip.Src(), to.Src).Change32(ip.Dst(), to.Dst))
}
