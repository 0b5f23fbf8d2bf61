package packet_test

import (
	"encoding/binary"
	"testing"

	"fulcrum/packet"
)

// withOptions inserts options, a multiple of four bytes, into an IPv4 frame without options.
func withOptions(frame, options []byte) []byte {
	const header = packet.EthernetLen + packet.IPv4MinLen
	f := append(append(append([]byte{}, frame[:header]...), options...), frame[header:]...)
	f[versionIHL] = 0x45 + byte(len(options)/4)
	total := binary.BigEndian.Uint16(frame[totalLength:]) + uint16(len(options))
	binary.BigEndian.PutUint16(f[totalLength:], total)
	ip := packet.IPv4(f[packet.EthernetLen:])
	ip.SetChecksum(0)
	ip.SetChecksum(^packet.Fold(packet.Sum(ip[:ip.HeaderLen()], 0)))
	return f
}

// TestParseOptions checks that Parse rejects truncated options and source routes only.
func TestParseOptions(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options []byte
		fault   packet.Fault
	}{
		{"no operation", []byte{1, 1, 1, 1}, packet.NoFault},
		{"the end, and anything behind it", []byte{0, 131, 255, 7}, packet.NoFault},
		{"router alert", []byte{148, 4, 0, 0}, packet.NoFault},
		{"record route", []byte{7, 7, 4, 0, 0, 0, 0, 0}, packet.NoFault},
		{"an unknown one to the end", []byte{200, 4, 1, 2}, packet.NoFault},
		{"forty bytes", append([]byte{200, 40}, make([]byte, 38)...), packet.NoFault},
		{"loose source route", []byte{131, 7, 4, 10, 0, 0, 1, 0}, packet.FaultIPOptions},
		{"strict source route behind others", []byte{1, 148, 4, 0, 0, 137, 3, 4}, packet.FaultIPOptions},
		{"length 0", []byte{200, 0, 0, 0}, packet.FaultIPOptions},
		{"length 1", []byte{200, 1, 0, 0}, packet.FaultIPOptions},
		{"one byte beyond the header", []byte{200, 5, 0, 0}, packet.FaultIPOptions},
		{"without a length", []byte{1, 1, 1, 200}, packet.FaultIPOptions},
	} {
		for _, frame := range [][]byte{tcpFrame(t, "x"), otherIPFrame(t)} {
			var p packet.Parsed
			packet.Parse(withOptions(frame, tt.options), &p)
			if p.Fault != tt.fault || (p.Kind == packet.Invalid) != (tt.fault != packet.NoFault) {
				t.Errorf("%s: kind %d, fault %d, want fault %d", tt.name, p.Kind, p.Fault, tt.fault)
			}
		}
	}
}
