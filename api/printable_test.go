package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
)

// hostileName has what clears a terminal, colours it, sets its title, and begins a line.
const hostileName = "a\x1b[2J\x1b]0;x\a\r\n\u009b31mevil.toml"

// TestEscapesDoNotReachTerminals checks that no character that a terminal obeys comes back from a
// request: in errors, in the status, and in the configuration's file.
func TestEscapesDoNotReachTerminals(t *testing.T) {
	d := serve(t, apiFile)
	harmless := func(what, text string) {
		t.Helper()
		for _, r := range text {
			if !unicode.IsPrint(r) && r != '\n' {
				t.Errorf("%s: %q", what, text)
				return
			}
		}
	}
	name := url.Values{"name": {hostileName}}.Encode()
	for _, path := range []string{
		"POST apply?" + name, "POST plan?" + name, "POST zero?service=%1b%5b2J", "GET %1b%5b2J",
		"GET status?%1b%5b2J=1", "GET explain?%1b%5b2J=1", "GET capture?%1b%5b2J=1",
		"GET capture?filter=%1b%5b2J", "GET sessions?state=%1b%5b2J", "DELETE services/%1b%5b2J",
	} {
		method, path, _ := strings.Cut(path, " ")
		err := d.client.Do(t.Context(), method, path, []byte("\"\x1b\" = 1\n[[service]]\n\"\\u001b[2J\" = 1"), nil)
		if err == nil {
			t.Errorf("%s is accepted", path)
			continue
		}
		harmless(path, err.Error())
	}
	err := d.client.Do(t.Context(), http.MethodPost, "apply?"+name, []byte(apiFile), nil)
	var s Status
	if err == nil {
		err = d.client.Do(t.Context(), http.MethodGet, "status", nil, &s)
	}
	if err != nil || !strings.Contains(s.Applied, `a\x1b[2J`) || strings.Contains(s.Applied, "\n") {
		t.Errorf("%v, %q", err, s.Applied)
	}
	harmless("status", s.Applied)
}

func FuzzPrintable(f *testing.F) {
	f.Add(hostileName)
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range printableName(text) {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q has %q", text, r)
			}
		}
	})
}
