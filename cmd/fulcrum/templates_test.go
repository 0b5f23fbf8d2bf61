package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fulcrum/api"
)

// TestTabulateTemplates: both families, and whether clients have shown that they are there.
func TestTabulateTemplates(t *testing.T) {
	list := []api.Template{
		{Protocol: "tcp", Clients: "198.51.100.0/24", VIP: "10.0.0.100:80", RealServer: "10.1.0.11:80",
			Service: "web", Sessions: 12, Confirmed: true, LeftSeconds: 299.9},
		{Protocol: "udp", Clients: "2001:db8::/64", VIP: "[fd00::100]:53", RealServer: "[fd00::11]:53",
			Service: "dns", Call: "0123456789abcdef"},
	}
	var out strings.Builder
	err := tabulateTemplates(&out, func(add func(*api.Template) error) error {
		for i := range list {
			if err := add(&list[i]); err != nil {
				return err
			}
		}
		return nil
	})
	const want = "" +
		"PROTO  CLIENTS               VIP                    REAL SERVER            SERVICE       CALL              SESSIONS  CONFIRMED     LEFT\n" +
		"tcp    198.51.100.0/24       10.0.0.100:80          10.1.0.11:80           web           -                       12        yes    4m59s\n" +
		"udp    2001:db8::/64         [fd00::100]:53         [fd00::11]:53          dns           0123456789abcdef         0         no       0s\n"
	if diff := cmp.Diff(want, out.String()); diff != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
}
