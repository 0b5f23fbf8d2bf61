package control

import (
	"fmt"
	"net"
	"testing"

	"fulcrum/probe"
)

// Checks by tcp find real listeners and notice when they go, made together or one by one.
func TestChecksOfRealListeners(t *testing.T) {
	for name, connects := range map[string]func() *probe.Connects{
		"together": openConnects, "one by one": func() *probe.Connects { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			port := l.Addr().(*net.TCPAddr).Port
			health := fmt.Sprintf("start = \"down\"\naddress = \"127.0.0.1\"\nport = %d", port)
			r := newTestRunning(t, parsePlanned(t, fmt.Sprintf(watchedFile, "", health)))
			r.checks.connects = connects
			if err := r.PrepareChecks(); err != nil {
				t.Fatal(err)
			}
			w := (&watched{T: t, Running: r}).start()
			w.awaitStates("11 up, 12 up, 13 up")
			l.Close()
			w.awaitStates("11 down, 12 down, 13 down")
			rs := w.Report().Services[0].RealServers[0]
			if rs.Health.Reason != "connect: connection refused" {
				t.Errorf("%+v", rs.Health)
			}
		})
	}
}
