package api

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// templates lists the templates that a query selects.
func (d *served) templates(query url.Values) (all []Template) {
	d.Helper()
	take := func(t *Template) error { all = append(all, *t); return nil }
	if err := d.client.Templates(d.Context(), query, take); err != nil {
		d.Fatal(err)
	}
	return all
}

// TestTemplatesOverHTTP lists all templates, those of a service, and a part.
func TestTemplatesOverHTTP(t *testing.T) {
	d := serve(t, strings.Replace(turningFile, `scheduler = "rr"`,
		"scheduler = \"rr\"\npersistence = \"5m\"\npersistence_mask = 28", 1))
	d.turn()
	d.begin(300, "10.0.0.100:53")
	all := d.templates(nil)
	if len(all) != 1 || all[0].LeftSeconds < 200 || all[0].LeftSeconds > 300 {
		t.Fatalf("%+v", all)
	}
	all[0].LeftSeconds = 0
	want := Template{
		Protocol: "udp", Clients: "10.0.0.0/28", VIP: "10.0.0.100:53", RealServer: all[0].RealServer,
		Service: "dns", Sessions: 300,
	}
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, query := range []url.Values{{"service": {"dns"}}, {"limit": {"1"}}} {
		if n := len(d.templates(query)); n != 1 {
			t.Errorf("%v: %d templates", query, n)
		}
	}
	err := d.client.Templates(t.Context(), url.Values{"service": {"dsn"}}, nil)
	if err == nil || !strings.Contains(err.Error(), `unknown service "dsn"`) {
		t.Errorf("an unknown service: %v", err)
	}
}
