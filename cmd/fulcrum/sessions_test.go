package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fulcrum/api"
)

// TestTabulateSessions: IPv6 addresses are aligned, a list without sessions has titles, and an
// error has none.
func TestTabulateSessions(t *testing.T) {
	v4 := api.Session{
		Protocol: "tcp", State: "ESTABLISHED", Client: "198.51.100.7:4242", VIP: "10.0.0.100:80",
		RealServer: "10.1.0.11:80", Service: "web", PacketsIn: 7, LeftSeconds: 899.9,
	}
	v6 := api.Session{
		Protocol: "udp", State: "UDP", Client: "[2001:db8:aaaa:bbbb::7]:4242", VIP: "[fd00::100]:53",
		RealServer: "[fd00::11]:53", Service: "dns", PacketsOut: 3,
	}
	const titles = "PROTO  STATE        CLIENT                 VIP                    REAL SERVER            SERVICE             IN       OUT     LEFT\n"
	for _, tt := range []struct {
		name string
		list []api.Session
		err  error
		want string
	}{
		{"both families", []api.Session{v4, v6}, nil, "" +
			"PROTO  STATE        CLIENT                        VIP                    REAL SERVER            SERVICE             IN       OUT     LEFT\n" +
			"tcp    ESTABLISHED  198.51.100.7:4242             10.0.0.100:80          10.1.0.11:80           web                  7         0   14m59s\n" +
			"udp    UDP          [2001:db8:aaaa:bbbb::7]:4242  [fd00::100]:53         [fd00::11]:53          dns                  0         3       0s\n"},
		{"none", nil, nil, titles},
		{"an error", nil, errors.New("no"), ""},
	} {
		var out strings.Builder
		err := tabulateSessions(&out, func(add func(*api.Session) error) error {
			for i := range tt.list {
				if err := add(&tt.list[i]); err != nil {
					return err
				}
			}
			return tt.err
		})
		if diff := cmp.Diff(tt.want, out.String()); diff != "" || !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, -want +got:\n%s", tt.name, err, diff)
		}
	}
}
