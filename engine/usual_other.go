//go:build !amd64

package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// parseUsual leaves all packets to parseOne. On amd64 it parses most of them.
func parseUsual(_ *ports.Packet, _ *meta, _ *uint64, from, to int, _ packet.Station, _ uint16,
	_ ports.RxFlags, _ *packet.Hasher) (others uint64) {
	return 1<<to - 1<<from
}
