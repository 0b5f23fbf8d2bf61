package packet

import "encoding/binary"

// ARPLen is the length of an ARP packet for IPv4 over Ethernet (RFC 826), in bytes.
const ARPLen = 28

// ARPOp is an ARP packet's operation.
type ARPOp uint16

const (
	ARPRequest ARPOp = 1
	ARPReply   ARPOp = 2
)

// ARP is an ARP packet for IPv4 over Ethernet, at least ARPLen bytes long.
type ARP []byte

// ARPFields are the fields of an ARP packet that vary.
type ARPFields struct {
	Op        ARPOp
	SenderMAC MAC
	SenderIP  uint32
	TargetMAC MAC
	TargetIP  uint32
}

func (a ARP) Op() ARPOp        { return ARPOp(binary.BigEndian.Uint16(a[6:8])) }
func (a ARP) SenderMAC() MAC   { return MAC(a[8:14]) }
func (a ARP) SenderIP() uint32 { return binary.BigEndian.Uint32(a[14:18]) }
func (a ARP) TargetMAC() MAC   { return MAC(a[18:24]) }
func (a ARP) TargetIP() uint32 { return binary.BigEndian.Uint32(a[24:28]) }

// arpPrefix is what every ARP packet for IPv4 over Ethernet starts with: hardware type 1,
// protocol type 0x0800, address lengths 6 and 4.
var arpPrefix = [6]byte{0, 1, 8, 0, 6, 4}

// IsEthernetIPv4 reports whether the hardware and protocol are the ones that this type describes.
func (a ARP) IsEthernetIPv4() bool { return [6]byte(a[0:6]) == arpPrefix }

// Encode writes the whole packet.
func (a ARP) Encode(f ARPFields) {
	copy(a, arpPrefix[:])
	binary.BigEndian.PutUint16(a[6:8], uint16(f.Op))
	copy(a[8:14], f.SenderMAC[:])
	binary.BigEndian.PutUint32(a[14:18], f.SenderIP)
	copy(a[18:24], f.TargetMAC[:])
	binary.BigEndian.PutUint32(a[24:28], f.TargetIP)
}
