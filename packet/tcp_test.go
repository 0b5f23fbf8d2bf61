package packet

import "testing"

func TestFlagsOfLetters(t *testing.T) {
	for letters, want := range map[string]TCPFlags{
		"": 0, "S": TCPSyn, "SA": TCPSyn | TCPAck, "FRPA": TCPFin | TCPRst | TCPPsh | TCPAck,
		"AA": TCPAck,
	} {
		if got, ok := ParseTCPFlags(letters); !ok || got != want {
			t.Errorf("%q: %08b, %v; want %08b", letters, got, ok, want)
		}
	}
	for _, letters := range []string{"X", "SX", "s", "S A", "U"} {
		if got, ok := ParseTCPFlags(letters); ok || got != 0 {
			t.Errorf("%q: %08b, %v", letters, got, ok)
		}
	}
}
