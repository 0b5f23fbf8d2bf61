package ipvs

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

var dnsVIP = netip.MustParseAddr("10.0.0.100")

// TestErrnos checks the errno of each mistake against the kernel's (ip_vs_genl_set_cmd and what it
// calls). Of several mistakes in one request the first counts that the kernel looks at.
func TestErrnos(t *testing.T) {
	d := serve(t, plain+dns)
	c := d.caller()
	service := func(change func(*Service)) *Service {
		s := &Service{
			Family: unix.AF_INET, Protocol: unix.IPPROTO_UDP, Address: dnsVIP, Port: 53, Mask: 32,
			Scheduler: "rr", FlagsMask: ^uint32(0),
		}
		change(s)
		return s
	}
	fresh := func(change func(*Service)) *Service {
		return service(func(s *Service) { s.Port = 54; change(s) })
	}
	dest := func(change func(*Destination)) *Destination {
		to := &Destination{
			Family: unix.AF_INET, Address: netip.MustParseAddr("10.0.0.11"), Port: 53, Weight: 1,
		}
		change(to)
		return to
	}
	same, sameDest := func(*Service) {}, func(*Destination) {}
	other := func(d *Destination) { d.Port = 55 }
	six := netip.MustParseAddr("fd00::9")
	for _, tt := range []struct {
		name    string
		command Command
		of      encoder
		want    unix.Errno
	}{
		{"no service", NewService, newEncoder(), unix.EINVAL},
		{"no service", SetService, newEncoder(), unix.EINVAL},
		{"exists, scheduler unknown too", NewService,
			of(service(func(s *Service) { s.Scheduler = "best" }), nil), unix.EEXIST},
		{"unknown scheduler", NewService, of(fresh(func(s *Service) { s.Scheduler = "best" }), nil),
			unix.ENOENT},
		{"unknown engine", NewService, of(fresh(func(s *Service) { s.Engine = "http" }), nil),
			unix.ENOENT},
		{"unknown family", NewService, of(fresh(func(s *Service) { s.Family = 9 }), nil),
			unix.EAFNOSUPPORT},
		{"unknown protocol", NewService, of(fresh(func(s *Service) { s.Protocol = 47 }), nil),
			unix.EPROTONOSUPPORT},
		{"mask of IPv6", NewService, of(fresh(func(s *Service) {
			s.Family, s.Address, s.Mask = unix.AF_INET6, six, 0
		}), nil), unix.EINVAL},
		{"mask of IPv6 beyond 128", NewService, of(fresh(func(s *Service) {
			s.Family, s.Address, s.Mask = unix.AF_INET6, six, 129
		}), nil), unix.EINVAL},
		{"multicast", NewService, of(fresh(func(s *Service) {
			s.Address = netip.MustParseAddr("224.0.0.1")
		}), nil), unix.EINVAL},
		{"unknown service", SetService, of(fresh(same), nil), unix.ESRCH},
		{"unknown service", DelService, of(fresh(same), nil), unix.ESRCH},
		{"unknown service", GetService, of(fresh(same), nil), unix.ESRCH},
		{"unknown service", Zero, of(fresh(same), nil), unix.ESRCH},
		{"unknown service", NewDest, of(fresh(same), dest(sameDest)), unix.ESRCH},
		{"unknown service, no destination", NewDest, of(fresh(same), nil), unix.ESRCH},
		{"no destination", NewDest, of(service(same), nil), unix.EINVAL},
		{"unknown destination", SetDest, of(service(same), dest(other)), unix.ENOENT},
		{"unknown destination", DelDest, of(service(same), dest(other)), unix.ENOENT},
		{"exists", NewDest, of(service(same), dest(sameDest)), unix.EEXIST},
		{"exists, thresholds wrong too", NewDest,
			of(service(same), dest(func(d *Destination) { d.Lower = 1 })), unix.ERANGE},
		{"weight below 0", SetDest, of(service(same), dest(func(d *Destination) { d.Weight = -1 })),
			unix.ERANGE},
		{"weight too large", SetDest,
			of(service(same), dest(func(d *Destination) { d.Weight = 65536 })), unix.ERANGE},
		{"another family", NewDest, of(service(same), dest(func(d *Destination) {
			d.Family, d.Address = unix.AF_INET6, six
		})), unix.EINVAL},
		{"unknown family", NewDest, of(service(same), dest(func(d *Destination) { d.Family = 9 })),
			unix.EAFNOSUPPORT},
		{"local", NewDest, of(service(same), dest(func(d *Destination) {
			d.Port, d.Method = 56, methodLocal
		})), unix.EINVAL},
		{"no daemon", DelDaemon, daemon(daemonState), unix.ESRCH},
		{"daemon without state", DelDaemon, daemon(daemonSyncID), unix.EINVAL},
		{"daemon without interface", NewDaemon, daemon(daemonState, daemonSyncID), unix.EINVAL},
		{"daemon", NewDaemon, daemon(daemonState, daemonInterface, daemonSyncID), unix.ENOPROTOOPT},
		{"timeout", SetConfig, timeout(1 << 31), unix.EINVAL},
		{"nothing wrong", SetConfig, timeout(0), 0},
	} {
		if got := c.command(tt.command, tt.of); got != tt.want {
			t.Errorf("%s, %s: %v, want %v", tt.command, tt.name, got, tt.want)
		}
	}
	if all := d.running.Overrides(); len(all) != 0 {
		t.Errorf("what was refused has changed something: %v", all)
	}
}

func daemon(attributes ...uint16) encoder {
	inside, e := newEncoder(), newEncoder()
	for _, a := range attributes {
		inside.Uint32(a, 1)
	}
	e.nested(attrDaemon, inside)
	return e
}

func timeout(tcp uint32) encoder {
	e := newEncoder()
	e.Uint32(attrTimeoutTCP, tcp)
	return e
}

// TestErrorsQuoteTheirRequest compares the error with netlink_ack's: the errno and the request.
func TestErrorsQuoteTheirRequest(t *testing.T) {
	d := serve(t, plain)
	c := d.caller()
	data := generic(uint8(GetService), newEncoder().bytes())
	all := c.ask(Family, acked, data)
	quoted := split(all[0].Data[4:])
	if len(quoted) != 1 || string(quoted[0].Data) != string(data) || quoted[0].Header.Type != Family {
		t.Errorf("the error quotes %v", quoted)
	}
	all = c.ask(Family, acked, generic(uint8(Flush), nil))
	if len(all) != 1 || len(all[0].Data) != 4+headerLen {
		t.Errorf("the acknowledgement is %v", all)
	}
}

// TestSeveralInADatagram answers each of several requests of a datagram, and what is no request not
// at all.
func TestSeveralInADatagram(t *testing.T) {
	d := serve(t, plain)
	c := d.caller()
	h := netlink.Header{Type: Family, Flags: netlink.Request, PID: callerPID}
	b := appendMessage(nil, h, generic(uint8(GetInfo), nil))
	h.Flags = 0
	b = appendMessage(b, h, generic(uint8(Flush), nil))
	h.Flags = acked
	b = appendMessage(b, h, generic(uint8(GetConfig), nil))
	if _, err := c.Write(append(b, 1, 2, 3)); err != nil {
		t.Fatal(err)
	}
	if got := shape(c.answers()); got != "32 32 ack" {
		t.Errorf("the answers are %s", got)
	}
}

// TestRefusalsAreLogged says who was refused what, and why.
func TestRefusalsAreLogged(t *testing.T) {
	d := serve(t, plain)
	c := d.caller()
	c.command(NewService, of(&Service{
		Family: unix.AF_INET, Protocol: unix.IPPROTO_UDP, Address: netip.MustParseAddr("10.0.0.1"),
		Port: 53, Mask: 32, Scheduler: "best",
	}, nil))
	for _, want := range []string{"ipvs.test", "NEW_SERVICE", `unknown scheduler \"best\"`} {
		if !strings.Contains(d.log.String(), want) {
			t.Errorf("no %s in the log:\n%s", want, d.log)
		}
	}
}
