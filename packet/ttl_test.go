package packet_test

import (
	"testing"

	"pgregory.net/rapid"

	"fulcrum/packet"
)

func TestDecrementTTLOverAllValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		header := make(packet.IPv4, packet.IPv4MinLen)
		header.Encode(packet.IPv4Fields{
			TOS: rapid.Byte().Draw(t, "tos"), TotalLength: cornered16().Draw(t, "total length"),
			ID: cornered16().Draw(t, "id"), Protocol: rapid.Byte().Draw(t, "protocol"),
			Src: cornered32().Draw(t, "source"), Dst: cornered32().Draw(t, "destination"),
			TTL: 255,
		})
		for ttl := uint8(254); ttl < 255; ttl-- {
			header.DecrementTTL()
			if header.TTL() != ttl || header.Checksum() != recomputed(header) {
				t.Fatalf("TTL %d, checksum %#04x; want %d, %#04x",
					header.TTL(), header.Checksum(), ttl, recomputed(header))
			}
		}
	})
}

// recomputed returns the header checksum computed in full by naiveSum.
func recomputed(header packet.IPv4) uint16 {
	zeroed := append(packet.IPv4(nil), header...)
	zeroed.SetChecksum(0)
	return ^naiveSum(zeroed)
}
