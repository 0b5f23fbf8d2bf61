package bench

import "fulcrum/packet"

// answerARP turns a request into its answer, and reports whether it did. The generator plays every
// station but the device under test, so it has every address, except the service's and the asker's
// own: requests for these are announcements and probes.
func answerARP(frame []byte, s *Site) bool {
	if len(frame) < packet.EthernetLen+packet.ARPLen ||
		packet.Ethernet(frame).Type() != packet.EtherTypeARP {
		return false
	}
	a := packet.ARP(frame[packet.EthernetLen:])
	asker, asked := a.SenderIP(), a.TargetIP()
	if !a.IsEthernetIPv4() || a.Op() != packet.ARPRequest || asked == asker ||
		asked == packet.Addr4(s.VIP.Addr()) {
		return false
	}
	mac := a.SenderMAC()
	packet.Ethernet(frame).SetHeader(mac, s.MAC, packet.EtherTypeARP)
	a.Encode(packet.ARPFields{Op: packet.ARPReply, SenderMAC: s.MAC, SenderIP: asked, TargetMAC: mac,
		TargetIP: asker})
	return true
}
