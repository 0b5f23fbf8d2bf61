package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fulcrum/engine"
	"fulcrum/lvs"
)

// A changed mark changes what its service claims, as the plan says, in the engine too. Changes of
// other settings leave it.
func TestMarkOfARunningService(t *testing.T) {
	file := parsePlanned(t, planned)
	r, s := kept(t, t.TempDir(), file)
	defer s.Close()
	ctx := context.Background()
	if _, err := r.AddService(ctx, ServiceAddition{Name: "shop", Mark: 7, Mode: "dr",
		RealServers: []RealServerAddition{{Address: "10.0.0.11:0"}}}); err != nil {
		t.Fatal(err)
	}
	scheduler := "sed"
	settings := ServiceSettings{Scheduler: &scheduler}
	if _, err := r.ChangeService(ctx, "shop", ServiceChange{ServiceSettings: settings}); err != nil {
		t.Fatal(err)
	}
	claims(t, r, "shop", "tcp 10.0.0.110:80", "udp 10.0.0.112/30:53")
	next := parsePlanned(t, strings.Replace(planned, "tcp 10.0.0.110:80", "tcp 10.0.0.111:81", 1))
	plan, err := r.Apply(ctx, next, Application{})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(plan.Changes); !strings.Contains(got, "mark") || !strings.Contains(got, "10.0.0.111:81") {
		t.Errorf("the plan says %s", got)
	}
	claims(t, r, "shop", "tcp 10.0.0.111:81", "udp 10.0.0.112/30:53")
}

// claims checks what a running service claims in the engine.
func claims(t *testing.T, r *Running, name string, want ...string) {
	t.Helper()
	all := r.engine.Report().Services
	i := slices.IndexFunc(all, func(s engine.ServiceReport) bool { return s.Service.Name == name })
	var got []string
	for _, m := range all[i].Service.Matches {
		got = append(got, m.String())
	}
	if !slices.Equal(got, want) || all[i].Service.ID() != lvs.IDOfMark(7, false) {
		t.Errorf("%v claims %q, want %q", all[i].Service.ID(), got, want)
	}
}

// A change of a service of several addresses keeps them.
func TestChangeKeepsAddresses(t *testing.T) {
	r, s := kept(t, t.TempDir(), parsePlanned(t, planned))
	defer s.Close()
	ctx := context.Background()
	addresses := []string{"10.0.0.101:21", "10.0.0.96/30:8000-8100"}
	add := ServiceAddition{Name: "ftp", Addresses: addresses, Protocol: "tcp", Mode: "dr"}
	if _, err := r.AddService(ctx, add); err != nil {
		t.Fatal(err)
	}
	scheduler := "sed"
	change := ServiceChange{ServiceSettings: ServiceSettings{Scheduler: &scheduler}}
	if _, err := r.ChangeService(ctx, "ftp", change); err != nil {
		t.Fatal(err)
	}
	v, err := r.Service("ftp")
	if err != nil || v.Scheduler != lvs.SED || !slices.Equal(destinations(v.Addresses), addresses) {
		t.Errorf("%v, %v, %v", v.Scheduler, destinations(v.Addresses), err)
	}
}

// What a new service claims is one thing.
func TestNewServiceClaimsOneThing(t *testing.T) {
	r, s := kept(t, t.TempDir(), parsePlanned(t, planned))
	defer s.Close()
	for want, n := range map[string]ServiceAddition{
		"one of address, addresses and mark":   {Address: "10.0.0.101:80", Mark: 7},
		"give a service one":                   {Address: "10.0.0.101:80", Addresses: []string{"10.0.0.102:80"}, Protocol: "tcp"},
		"only beside mark":                     {Address: "10.0.0.101:80", Protocol: "tcp", Family: "ipv6"},
		"no mark has number 8":                 {Mark: 8},
		"write 10.0.0.0/24, or one address":    {Addresses: []string{"10.0.0.9/24:80"}, Protocol: "tcp"},
		"service.addresses: tcp 10.0.0.110:80": {Addresses: []string{"10.0.0.110:80", "10.0.0.109:1-2"}, Protocol: "tcp"},
		"a real server of service \"new\"":     {Addresses: []string{"10.0.0.8/31:80"}, Protocol: "tcp", RealServers: []RealServerAddition{{Address: "10.0.0.9:80"}}},
	} {
		n.Name, n.Mode = "new", "dr"
		if _, err := r.AddService(context.Background(), n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q, want %q", err, want)
		}
	}
}
