package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// parseUsual does what parseOne does, for those of a lane's packets that came in at a port and are
// whole TCP or UDP; see packet.ParseUsual and ParseUsual6. The places of all others are set in
// others. odd are the flags of packets that are not for it. packets, metas and hashes are those at
// from.
//
// It is in assembly because that takes half of the instructions of Go code: the checks of an
// Ethernet and an IP header are one comparison of 16 bytes, a key is put together by one shuffle,
// and what a loop needs stays in registers. It needs SSE4.1, which DPDK needs too.
//
//go:noescape
func parseUsual(packets *ports.Packet, metas *meta, hashes *uint64, from, to int,
	at packet.Station, port uint16, odd ports.RxFlags, h *packet.Hasher) (others uint64)
