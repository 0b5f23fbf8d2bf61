//go:build linux && amd64

package ipvs

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	cloudflare "github.com/cloudflare/ipvs"
	masks "github.com/cloudflare/ipvs/netmask"
	moby "github.com/moby/ipvs"
	"golang.org/x/sys/unix"

	"fulcrum/config"
)

// judged is what both clients make of a director, in a configuration file.
const judged = `[[service]]
name             = "tcp-10.0.0.100-80"
address          = "10.0.0.100:80"
protocol         = "tcp"
mode             = "nat"
scheduler        = "mh"
scheduler_flags  = ["mh-port"]
persistence      = "1m"
persistence_mask = 24

  [[service.real_server]]
  address         = "10.0.0.11:8080"
  weight          = 7
  upper_threshold = 100
  lower_threshold = 50

  [[service.real_server]]
  address = "10.0.0.12:80"
  mode    = "ipip"
  weight  = 0
`

// judge compares a director's services with what a client has asked for.
func (d *served) judge(who string) {
	d.Helper()
	if got := d.services(); got != judged {
		d.Errorf("%s has made\n%s\nwant\n%s\nthe log:\n%s", who, got, judged, d.log)
	}
}

// TestMoby has the client of Docker's swarm administer a director.
func TestMoby(t *testing.T) {
	d := serve(t, plain)
	interposed(t, d.socket, func() {
		if err := d.moby(); err != nil {
			t.Error(err)
		}
	})
}

func (d *served) moby() error {
	h, err := moby.New("")
	if err != nil {
		return err
	}
	defer h.Close()
	s := &moby.Service{
		AddressFamily: unix.AF_INET, Protocol: unix.IPPROTO_TCP, Port: 80,
		Address: net.IPv4(10, 0, 0, 100), SchedName: "rr", Netmask: 0xffffffff,
	}
	first := &moby.Destination{
		AddressFamily: unix.AF_INET, Address: net.IPv4(10, 0, 0, 11), Port: 8080, Weight: 1,
	}
	second := &moby.Destination{
		AddressFamily: unix.AF_INET, Address: net.IPv4(10, 0, 0, 12), Port: 80,
		ConnectionFlags: moby.ConnectionFlagTunnel,
	}
	done := errors.Join(h.NewService(s), h.NewDestination(s, first), h.NewDestination(s, second))
	s.SchedName, s.Flags, s.Timeout, s.Netmask = "mh", flagPersistent|flagSched2, 60, 0x00ffffff
	first.Weight, first.UpperThreshold, first.LowerThreshold = 7, 100, 50
	done = errors.Join(done, h.UpdateService(s), h.UpdateDestination(s, first))
	if done != nil {
		return done
	}
	d.judge("moby")
	if err := h.NewService(s); !errors.Is(err, unix.EEXIST) {
		d.Errorf("the same service again: %v", err)
	}
	none := &moby.Destination{Address: net.IPv4(10, 0, 0, 13), Port: 1}
	if err := h.DelDestination(s, none); !errors.Is(err, unix.ENOENT) {
		d.Errorf("removing no destination: %v", err)
	}
	if !h.IsServicePresent(s) {
		d.Error("the service is not there")
	}
	all, err := h.GetServices()
	if err != nil || len(all) != 1 || all[0].SchedName != "mh" || !all[0].Address.Equal(s.Address) ||
		all[0].Flags != flagPersistent|flagHashed|flagSched2 || all[0].Timeout != 60 ||
		all[0].Port != 80 || all[0].Netmask != s.Netmask {
		d.Errorf("the services are %+v, %v", all, err)
	}
	dests, err := h.GetDestinations(s)
	if err != nil || len(dests) != 2 || dests[0].ConnectionFlags != moby.ConnectionFlagTunnel ||
		dests[1].Weight != 7 || dests[1].UpperThreshold != 100 ||
		!dests[1].Address.Equal(first.Address) {
		d.Errorf("the destinations are %+v, %v", dests, err)
	}
	want := moby.Config{
		TimeoutTCP: 100 * time.Second, TimeoutTCPFin: 50 * time.Second, TimeoutUDP: 20 * time.Second,
	}
	if err := h.SetConfig(&want); err != nil {
		return err
	}
	if got, err := h.GetConfig(); err != nil || *got != want {
		d.Errorf("the timeouts are %+v, %v", got, err)
	}
	if err := errors.Join(h.DelDestination(s, second), h.DelService(s)); err != nil {
		return err
	}
	return h.Flush()
}

// TestCloudflare has Cloudflare's client administer a director.
func TestCloudflare(t *testing.T) {
	d := serve(t, plain)
	interposed(t, d.socket, func() {
		if err := d.cloudflare(); err != nil {
			t.Error(err)
		}
	})
}

func (d *served) cloudflare() error {
	c, err := cloudflare.New()
	if err != nil {
		return err
	}
	s := cloudflare.Service{
		Family: cloudflare.INET, Protocol: cloudflare.TCP, Address: dnsVIP, Port: 80, Scheduler: "rr",
		Netmask: masks.MaskFrom(32, 32),
	}
	first := cloudflare.Destination{
		Family: cloudflare.INET, Address: netip.MustParseAddr("10.0.0.11"), Port: 8080, Weight: 1,
		FwdMethod: cloudflare.Masquerade,
	}
	second := cloudflare.Destination{
		Family: cloudflare.INET, Address: netip.MustParseAddr("10.0.0.12"), Port: 80,
		FwdMethod: cloudflare.Tunnel,
	}
	err = errors.Join(
		c.CreateService(s), c.CreateDestination(s, first), c.CreateDestination(s, second),
	)
	s.Scheduler, s.Timeout, s.Netmask = "mh", 60, masks.MaskFrom(24, 32)
	s.Flags = cloudflare.Flags(flagPersistent | flagSched2)
	first.Weight, first.UpperThreshold, first.LowerThreshold = 7, 100, 50
	err = errors.Join(err, c.UpdateService(s), c.UpdateDestination(s, first))
	if err != nil {
		return err
	}
	d.judge("cloudflare")
	if err := c.CreateService(s); !errors.Is(err, os.ErrExist) {
		d.Errorf("the same service again: %v", err)
	}
	s.Flags |= cloudflare.Flags(flagHashed)
	if all, err := c.Services(); err != nil || len(all) != 1 || all[0].Service != s {
		d.Errorf("the services are %+v, %v; want %+v", all, err, s)
	}
	if one, err := c.Service(s); err != nil || one.Service != s {
		d.Errorf("the service is %+v, %v", one, err)
	}
	all, err := c.Destinations(s)
	if err != nil || len(all) != 2 || all[0].Destination != second || all[1].Destination != first {
		d.Errorf("the destinations are %+v, %v", all, err)
	}
	info, err := c.Info()
	if err != nil || info.Version != [3]int{1, 2, 1} || info.ConnectionTableSize != 2000 {
		d.Errorf("the version is %+v, %v", info, err)
	}
	want := cloudflare.Config{TCPTimeout: 100, TCPFinTimeout: 50, UDPTimeout: 20}
	if err := c.SetConfig(want); err != nil {
		return err
	}
	if got, err := c.Config(); err != nil || got != want {
		d.Errorf("the timeouts are %+v, %v", got, err)
	}
	if err := errors.Join(c.RemoveDestination(s, second), c.RemoveService(s)); err != nil {
		return err
	}
	if got := config.RenderServices(d.running.Config().Services); got != "" {
		d.Errorf("left are\n%s", got)
	}
	return nil
}
