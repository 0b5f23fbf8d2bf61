package bench

import (
	"errors"
	"fmt"
	"io"
)

// The addresses of the suite http. Through the director, the client asks the service, and the real
// server's way out is the director. Over a wire they meet on a subnet of their own.
const (
	webService          = "10.0.0.100:80"
	webRealServer       = "10.1.0.11:80"
	webServerBeyondWire = "10.9.0.2:80"
	webServerListen     = "0.0.0.0:80"

	webFront, webBack = "10.0.0.1", "10.1.0.1" // the director's
	webClientAddress  = "10.0.0.10/24"
	webClientOnWire   = "10.9.0.1/24"
	webServerAddress  = "10.1.0.11/24"
	webServerOnWire   = "10.9.0.2/24"

	webPlug           = "eth0" // the interface of a client or server
	webFrontInterface = "front"
	webBackInterface  = "back"
)

// webSite is a client, a subject between two cables, and a web server, each in a station of its
// own.
type webSite struct {
	client, subject, server station
	serving                 *process
}

func newWebSite() (_ *webSite, err error) {
	w := new(webSite)
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	for _, s := range []*station{&w.client, &w.subject, &w.server} {
		*s = station{namespace: -1}
	}
	for _, s := range []*station{&w.client, &w.subject, &w.server} {
		if *s, err = newStation(); err != nil {
			return nil, err
		}
	}
	return w, w.furnish()
}

// furnish connects the stations. Clients have as many ports as there are, so that a connection's
// ends seldom come again.
func (w *webSite) furnish() error {
	return errors.Join(
		w.subject.connect(webFrontInterface, w.client, webPlug),
		w.subject.connect(webBackInterface, w.server, webPlug),
		w.client.give(webPlug, webClientAddress, webClientOnWire),
		w.server.give(webPlug, webServerAddress, webServerOnWire),
		w.server.leadOut(webBack),
		w.client.do(func() error {
			return writeSettings(map[string]string{"ipv4/ip_local_port_range": "1024 65535"})
		}),
	)
}

// startIn starts a process in a station. Its standard output goes to out, or else to the log.
func startIn(
	s station, name string, out io.Writer, program string, arguments ...string,
) (p *process, err error) {
	err = s.do(func() error {
		p, err = start(name, out, nil, program, arguments...)
		return err
	})
	return p, err
}

func (w *webSite) close() error {
	err := w.serving.stop()
	for _, s := range []station{w.client, w.subject, w.server} {
		s.close()
	}
	return err
}

// webDevice returns the DPDK device on one of the subject's interfaces.
func webDevice(driver, iface string) string {
	return fmt.Sprintf("net_%s_%s,iface=%s", driver, iface, iface)
}
