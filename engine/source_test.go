package engine

import (
	"testing"

	"fulcrum/modes"
)

// TestSourcesThatNobodyCanHave: no session begins for a source that an answer could not reach, or
// that is the director's own.
func TestSourcesThatNobodyCanHave(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.FullNAT, 1), s.echo(modes.FullNAT, 1)))
	for _, src := range []string{
		"0.0.0.0", "127.0.0.1", "224.0.0.5", "255.255.255.255", // addresses of no host
		s.ports[0].addr.String(), vipAlone, "10.0.0.255", // the director's, the subnet's
		b.engine.snap.Load().order[0].live.settings.LocalAddresses[0].String(),
	} {
		b.fromClient(tcp(src+":4000", webVIP, "S"), udp(src+":4000", echoVIP, "?"))
	}
	b.quiet()
	b.sessions(0)
	b.dropped("bad_source=16")
}
