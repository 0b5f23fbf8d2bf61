package packet

import "math/bits"

// Hasher hashes keys with a secret, so that outsiders cannot choose keys that collide.
type Hasher struct {
	a, b uint64
}

// NewHasher returns the Hasher of a secret of 128 bits.
func NewHasher(a, b uint64) Hasher { return Hasher{a, b} }

// Hash mixes a key's words two by two, each time with the secret and the previous result. An IPv4
// key has another hash than by Hash4.
func (h Hasher) Hash(k *Key) uint64 {
	return h.mix(k.Src, k.Dst, uint64(k.SrcPort)<<32|uint64(k.DstPort)<<16|uint64(k.Protocol))
}

// restOf returns the half of a key that is not addresses, from both ports as they are in a packet.
func restOf(ports uint32, protocol uint8) uint64 {
	return uint64(ports>>16)<<32 | uint64(ports&0xffff)<<16 | uint64(protocol)
}

// mix is Hash of a key's words.
func (h Hasher) mix(src, dst Addr, rest uint64) uint64 {
	v := fold(src.Hi^h.b, src.Lo^h.a)
	v = fold(dst.Hi^h.b, dst.Lo^v)
	v = fold(rest^h.b, v^h.a)
	return fold(v^h.a, 0x9e3779b97f4a7c15)
}

// Hash4 multiplies the key's two halves, masked by the secret, and folds the 128-bit product: the
// mixing step of wyhash. A second step spreads the result when a half was zero.
func (h Hasher) Hash4(k *Key4) uint64 {
	addrs := uint64(k.Src)<<32 | uint64(k.Dst)
	return h.mix4(addrs, uint64(k.SrcPort)<<32|uint64(k.DstPort)<<16|uint64(k.Protocol))
}

// HashNarrow is Hash4 of an IPv4 key in the form for both families.
func (h Hasher) HashNarrow(k *Key) uint64 {
	addrs := uint64(k.Src.V4())<<32 | uint64(k.Dst.V4())
	return h.mix4(addrs, uint64(k.SrcPort)<<32|uint64(k.DstPort)<<16|uint64(k.Protocol))
}

// mix4 is Hash4 of a key's two halves.
func (h Hasher) mix4(addrs, rest uint64) uint64 {
	return fold(fold(addrs^h.a, rest^h.b)^h.a, 0x9e3779b97f4a7c15)
}

// fold multiplies and folds the 128-bit product.
func fold(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x, y)
	return hi ^ lo
}
