package ipvs

import (
	"context"
	"log/slog"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// FuzzService reads any bytes as a service. What was read is written in a form that reads the same.
func FuzzService(f *testing.F) {
	f.Add((&Service{Family: unix.AF_INET, Protocol: 6, Address: dnsVIP, Port: 80, Scheduler: "wlc",
		Mask: 24, Flags: 1, Timeout: 9, Stats: Stats{Connections: 3}}).encode().bytes())
	f.Add((&Service{Family: unix.AF_INET6, Mark: 7, Engine: "sip", Mask: 64}).encode().bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeService(b)
		if err != nil || !s.keyed() || s.Mask < 0 || !s.Address.IsValid() {
			return
		}
		again, err := decodeService(s.encode().bytes())
		again.given, s.given = 0, 0
		if s.Mark != 0 {
			s.Address, s.Protocol, s.Port = again.Address, 0, 0
		}
		if err != nil || again != s {
			t.Errorf("%v: %+v\nbecomes %+v", err, s, again)
		}
	})
}

// FuzzDestination reads any bytes as a destination.
func FuzzDestination(f *testing.F) {
	f.Add((&Destination{Family: unix.AF_INET, Address: dnsVIP, Port: 80, Weight: 1}).encode().bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decodeDestination(b)
		if err != nil || !d.Address.IsValid() {
			return
		}
		again, err := decodeDestination(d.encode().bytes())
		again.given, d.given, again.address, d.address = 0, 0, rawAddress{}, rawAddress{}
		if err != nil || again != d {
			t.Errorf("%v: %+v\nbecomes %+v", err, d, again)
		}
	})
}

// FuzzRequests gives a table any bytes as a datagram. All answers are messages, and fit.
func FuzzRequests(f *testing.F) {
	s := &Service{
		Family: unix.AF_INET, Protocol: 17, Address: dnsVIP, Port: 53, Scheduler: "wlc", Mask: 32,
	}
	to := &Destination{Family: unix.AF_INET, Address: dnsVIP.Next(), Port: 80, Weight: 1}
	for k := NewService; k <= Flush; k++ {
		for _, flags := range []netlink.HeaderFlags{acked, dumped} {
			f.Add(appendMessage(nil, netlink.Header{Type: Family, Flags: flags},
				generic(uint8(k), of(s, to).bytes())))
		}
	}
	f.Add(appendMessage(nil, netlink.Header{Type: ctrlFamily, Flags: acked},
		append([]byte{ctrlGet, 1, 0, 0}, named(FamilyName)...)))
	running, engine, _ := newDirector(f, plain+dns)
	table := NewTable(running, engine, slog.New(slog.DiscardHandler))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > mostRequest {
			return
		}
		for _, m := range split(b) {
			if m.Header.Type == SessionFamily {
				return // workers do not run
			}
		}
		err := table.answer(context.Background(), b, func(datagram []byte) error {
			if len(datagram) > 2*mostRequest || len(split(datagram)) == 0 {
				t.Errorf("an answer of %d bytes", len(datagram))
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
