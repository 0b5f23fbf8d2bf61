package director

import (
	"log/slog"
	"testing"

	"fulcrum/engine"
)

// TestOffloadsAreLoggedOnce: for each port, partial checksums and oversized packets.
func TestOffloadsAreLoggedOnce(t *testing.T) {
	l := new(logged)
	log := slog.New(slog.NewTextHandler(l, nil))
	told := make(offloads, 2)
	for n := range uint64(3) {
		told.look(log, 0, "front", engine.PortTotals{Received: 9})
		told.look(log, 1, "back", engine.PortTotals{PartialChecksums: n})
	}
	for n := range uint64(3) {
		told.look(log, 0, "front", engine.PortTotals{Oversized: n})
		told.look(log, 1, "back", engine.PortTotals{PartialChecksums: 3, Oversized: n})
	}
	for with, want := range map[string]int{
		"level=INFO": 1, "without checksum": 1, "level=WARN": 2,
		"ethtool -K DEV tx off tso off gso off": 2, "port=front": 1, "port=back": 2,
	} {
		if got := len(l.lines(with)); got != want {
			t.Errorf("%d lines have %q, want %d: %q", got, with, want, l.lines(""))
		}
	}
}
