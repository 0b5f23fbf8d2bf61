package api

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fulcrum/config"
)

const readOnlyToken = "fedcba9876543210fedcba9876543210"

// readable adds a token of clients that only read to a configuration of remote.
func readable(t *testing.T, c config.Control) config.Control {
	t.Helper()
	c.ReadTokenFile = filepath.Join(t.TempDir(), "read-token")
	if err := os.WriteFile(c.ReadTokenFile, []byte(readOnlyToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// asker sends requests to a control API over TCP.
type asker struct {
	t       *testing.T
	address string
	http    *http.Client
}

func newAsker(t *testing.T, c config.Control, trusted *x509.CertPool) asker {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	t.Cleanup(transport.CloseIdleConnections)
	return asker{t, "https://" + c.Listen.String(), &http.Client{Transport: transport}}
}

// ask returns the status and the text of a response. It does not wait for the text of a capture.
func (a asker) ask(method, path, token string) (status int, text string) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.address+path, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := a.http.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK && strings.HasPrefix(path, capturePath) {
		return response.StatusCode, ""
	}
	all, err := io.ReadAll(response.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return response.StatusCode, string(all)
}

// TestReadTokenReads asks for every operation with the token of those that read: it gets 403 from
// those that change something and from capture, and from no other.
func TestReadTokenReads(t *testing.T) {
	d := serve(t, apiFile)
	d.turn()
	c, trusted := remote(t)
	c = readable(t, c)
	serveRemote(t, d, c)
	a := newAsker(t, c, trusted)
	before := d.running.Config()
	description := descriptionOf(t, d.handler)
	description.each(func(method, path string, _ describedOperation) {
		path = strings.NewReplacer("{service}", "web", "{server}", "10.0.0.11:80").Replace(path)
		refused := method != http.MethodGet && path != "/v1/plan" || path == "/v1/capture"
		status, text := a.ask(method, path, readOnlyToken)
		if (status == http.StatusForbidden) != refused {
			t.Errorf("%s %s: %d %s", method, path, status, text)
		}
		if refused && !strings.Contains(text, "send the token of control.token_file") {
			t.Errorf("%s %s: %s", method, path, text)
		}
	})
	for _, path := range []string{"/metrics", "/openapi.json"} {
		if status, text := a.ask(http.MethodGet, path, readOnlyToken); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if d.running.Config() != before {
		t.Error("the configuration has changed")
	}
	for _, tt := range []struct{ method, path string }{
		{http.MethodPost, "/v1/zero"}, {http.MethodGet, "/v1/capture?packets=1"},
	} {
		if status, text := a.ask(tt.method, tt.path, token); status >= 300 {
			t.Errorf("%s with the token that may change: %d %s", tt.path, status, text)
		}
	}
}

// TestPathsThatAreReadAsOthers: a request for a capture or a change that is spelt otherwise does
// not pass as a reading one.
func TestPathsThatAreReadAsOthers(t *testing.T) {
	d := serve(t, apiFile)
	c, trusted := remote(t)
	c = readable(t, c)
	serveRemote(t, d, c)
	a := newAsker(t, c, trusted)
	a.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, path := range []string{
		"/v1/c%61pture", "/v1//capture", "/v1/./capture", "/v1/capture/", "/v1%2Fcapture",
		"//v1/capture", "/V1/capture",
	} {
		status, text := a.ask(http.MethodGet, path+"?packets=1&seconds=1", readOnlyToken)
		if status == http.StatusOK {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	for _, path := range []string{"/v1/plan/../zero", "/v1%2Fplan", "/v1/zero/../plan", "/v1/zero?/v1/plan"} {
		status, text := a.ask(http.MethodPost, path, readOnlyToken)
		if status < 300 {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}

// TestTokensAreReadAgain replaces tokens under a running server. A file that holds no token, or
// that others can read, leaves the former one valid.
func TestTokensAreReadAgain(t *testing.T) {
	d := serve(t, apiFile)
	c, trusted := remote(t)
	c = readable(t, c)
	serveRemote(t, d, c)
	a := newAsker(t, c, trusted)
	const next = "another token of more than 32 bytes"
	third := strings.ReplaceAll(next, " ", "-")
	steps := 0
	check := func(what string, want map[string]int) {
		t.Helper()
		steps++
		for shown, status := range want {
			if got, text := a.ask(http.MethodPost, "/v1/zero", shown); got != status {
				t.Errorf("%s: %q gets %d %s, want %d", what, shown, got, text, status)
			}
		}
	}
	write := func(file, text string, mode os.FileMode) {
		t.Helper()
		when := time.Now().Add(time.Duration(steps+1) * time.Minute)
		err := os.WriteFile(file, []byte(text), mode)
		if err == nil {
			err = os.Chmod(file, mode)
		}
		if err == nil {
			err = os.Chtimes(file, when, when)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	first := map[string]int{token: 204, readOnlyToken: 403, third: 401}
	check("at the start", first)
	write(c.TokenFile, next, 0o600) // it has spaces
	check("a file without a token", first)
	write(c.TokenFile, third, 0o644)
	check("a file that others can read", first)
	write(c.TokenFile, readOnlyToken, 0o600)
	check("the same token twice", first)
	write(c.TokenFile, third, 0o600)
	check("another token", map[string]int{token: 401, readOnlyToken: 403, third: 204})
	write(c.ReadTokenFile, token, 0o600)
	check("another token to read", map[string]int{token: 403, readOnlyToken: 401, third: 204})
	if err := os.Remove(c.ReadTokenFile); err != nil {
		t.Fatal(err)
	}
	check("no file", map[string]int{token: 403, readOnlyToken: 401, third: 204})
}

// TestReadTokenIsCheckedLikeTheOther: rights, form, and that the two differ.
func TestReadTokenIsCheckedLikeTheOther(t *testing.T) {
	for want, spoil := range map[string]func(file string) error{
		"chmod 600":     func(file string) error { return os.Chmod(file, 0o640) },
		"invalid token": func(file string) error { return os.WriteFile(file, []byte("short"), 0o600) },
		"no such file":  os.Remove,
		"the same token": func(file string) error {
			return os.WriteFile(file, []byte("  "+token+"\n"), 0o600)
		},
	} {
		c, _ := remote(t)
		c = readable(t, c)
		if err := spoil(c.ReadTokenFile); err != nil {
			t.Fatal(err)
		}
		_, err := ServeRemote(c, nil, slog.New(slog.DiscardHandler), nil)
		if err == nil || !strings.Contains(fmt.Sprint(err), want) ||
			!strings.Contains(err.Error(), "control.read_token_file") {
			t.Errorf("%v, want one with %q", err, want)
		}
	}
}

// TestNoReadTokenMeansNone: without the key no token only reads, not even an empty one.
func TestNoReadTokenMeansNone(t *testing.T) {
	c, _ := remote(t)
	all, err := tokensOf(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{"", readOnlyToken, token[1:]} {
		if got := all.rightsOf(shown); got != noRights {
			t.Errorf("%q: %d", shown, got)
		}
	}
	if all.rightsOf(token) != mayChange {
		t.Error("the token is refused")
	}
}
