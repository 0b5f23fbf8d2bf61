package packet

import "encoding/binary"

// ARPLen is the length of an ARP packet for IPv4 over Ethernet (RFC 826), in bytes.
const ARPLen = 28

// ARPOp is the operation of an ARP packet.
type ARPOp uint16

// Operations that the director sends and answers.
const (
	ARPRequest ARPOp = 1 // asks for the MAC address of TargetIP
	ARPReply   ARPOp = 2 // announces SenderMAC as the address of SenderIP
)

// ARP is an ARP packet for IPv4 over Ethernet, at least ARPLen bytes long.
type ARP []byte

// ARPFields are the fields that Encode writes. IP addresses are host-order numbers.
type ARPFields struct {
	Op        ARPOp  // request or reply
	SenderMAC MAC    // address of the sending station
	SenderIP  uint32 // host order
	TargetMAC MAC    // unspecified in a request
	TargetIP  uint32 // host order
}

// Op returns the operation.
func (a ARP) Op() ARPOp { return ARPOp(binary.BigEndian.Uint16(a[6:8])) }

// SenderMAC returns the sender's hardware address.
func (a ARP) SenderMAC() MAC { return MAC(a[8:14]) }

// SenderIP returns the sender's address as a host-order number.
func (a ARP) SenderIP() uint32 { return binary.BigEndian.Uint32(a[14:18]) }

// TargetMAC returns the target's hardware address, which is unspecified in a request.
func (a ARP) TargetMAC() MAC { return MAC(a[18:24]) }

// TargetIP returns the target's address as a host-order number.
func (a ARP) TargetIP() uint32 { return binary.BigEndian.Uint32(a[24:28]) }

// arpPrefix starts every ARP packet for IPv4 over Ethernet: hardware type 1, protocol type 0x0800,
// address lengths 6 and 4.
var arpPrefix = [6]byte{0, 1, 8, 0, 6, 4}

// IsEthernetIPv4 reports whether the packet is for IPv4 over Ethernet. The other getters are
// meaningful only then.
func (a ARP) IsEthernetIPv4() bool { return [6]byte(a[0:6]) == arpPrefix }

// Encode writes all ARPLen bytes of the packet.
func (a ARP) Encode(f ARPFields) {
	copy(a, arpPrefix[:])
	binary.BigEndian.PutUint16(a[6:8], uint16(f.Op))
	copy(a[8:14], f.SenderMAC[:])
	binary.BigEndian.PutUint32(a[14:18], f.SenderIP)
	copy(a[18:24], f.TargetMAC[:])
	binary.BigEndian.PutUint32(a[24:28], f.TargetIP)
}
