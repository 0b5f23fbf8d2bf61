package conntrack

import "testing"

func TestEventOfChunks(t *testing.T) {
	for _, c := range []struct {
		name   string
		chunks []byte
		want   Event
	}{
		{"none", nil, EventNone},
		{"half a header", []byte{1, 0, 0}, EventNone},
		{"DATA", []byte{0, 3, 0, 16}, EventData},
		{"INIT", []byte{1, 0, 0, 20}, EventInit},
		{"INIT ACK", []byte{2, 0, 0, 20}, EventInitAck},
		{"SACK", []byte{3, 0, 0, 16}, EventData},
		{"HEARTBEAT", []byte{4, 0, 0, 8}, EventData},
		{"HEARTBEAT ACK", []byte{5, 0, 0, 8}, EventData},
		{"ABORT", []byte{6, 0, 0, 4}, EventAbort},
		{"SHUTDOWN", []byte{7, 0, 0, 8}, EventShutdown},
		{"SHUTDOWN ACK", []byte{8, 0, 0, 4}, EventShutdownAck},
		{"ERROR", []byte{9, 0, 0, 4}, EventError},
		{"COOKIE ECHO", []byte{10, 0, 0, 4}, EventCookieEcho},
		{"COOKIE ACK", []byte{11, 0, 0, 4}, EventCookieAck},
		{"SHUTDOWN COMPLETE", []byte{14, 0, 0, 4}, EventShutdownComplete},
		{"ECNE", []byte{12, 0, 0, 8}, EventData},
		{"I-DATA", []byte{64, 3, 0, 20}, EventData},
		{"an unknown type", []byte{255, 0, 0, 4}, EventData},

		{"COOKIE ECHO, ABORT", []byte{10, 0, 0, 5, 'c', 0, 0, 0, 6, 0, 0, 4}, EventAbort},
		{"COOKIE ACK, ABORT", []byte{11, 0, 0, 4, 6, 0, 0, 4}, EventAbort},
		{"COOKIE ACK, DATA", []byte{11, 0, 0, 4, 0, 0, 0, 16}, EventCookieAck},
		{"SACK, ABORT", []byte{3, 0, 0, 4, 6, 0, 0, 4}, EventData},
		{"COOKIE ECHO, half an ABORT", []byte{10, 0, 0, 4, 6, 0, 0}, EventCookieEcho},
		{"COOKIE ECHO of impossible length", []byte{10, 0, 0, 3, 6, 0, 0, 4}, EventCookieEcho},
		{"COOKIE ECHO past the end", []byte{10, 0, 255, 255, 6, 0, 0, 4}, EventCookieEcho},
	} {
		if got := EventOfChunks(c.chunks); got != c.want {
			t.Errorf("%s: event %d; want %d", c.name, got, c.want)
		}
	}
}

// FuzzEventOfChunks: it reads nothing beyond the packet, and every packet with a chunk has an SCTP
// event.
func FuzzEventOfChunks(f *testing.F) {
	f.Add([]byte{10, 0, 0, 5, 'c', 0, 0, 0, 6, 0, 0, 4})
	f.Add([]byte{11, 0, 255, 255})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, chunks []byte) {
		e := EventOfChunks(chunks[:len(chunks):len(chunks)])
		if e >= numEvents || e < EventNone || (e == EventNone) != (len(chunks) < chunkHeader) {
			t.Errorf("event %d", e)
		}
	})
}
