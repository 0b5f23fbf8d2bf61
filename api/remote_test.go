package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fulcrum/config"

	"fulcrum/control"
)

const token = "0123456789abcdef0123456789abcdef"

// remote creates the files of a control API over TCP, and the certificates that its clients trust.
func remote(t *testing.T) (config.Control, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(certificate)
	return config.Control{
		Listen:      netip.MustParseAddrPort("127.0.0.1:" + freePort(t)),
		Certificate: write("cert.pem", certificate),
		Key:         write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		TokenFile:   write("token", []byte(token+"\n")),
	}, trusted
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// serveRemote serves a director's API over TCP until the test ends.
func serveRemote(t *testing.T, d *served, c config.Control) {
	t.Helper()
	metrics := control.NewMetrics(d.running.Config(), d.engine.Report)
	handler := NewHandler(d.running, d.engine, metrics, nil)
	s, err := ServeRemote(c, handler, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestRemote checks that only requests with the token over TLS 1.3 are served.
func TestRemote(t *testing.T) {
	d := serve(t, apiFile)
	c, trusted := remote(t)
	serveRemote(t, d, c)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	t.Cleanup(transport.CloseIdleConnections)
	for _, tt := range []struct {
		authorization string
		status        int
	}{
		{"Bearer " + token, http.StatusOK}, {"bearer " + token, http.StatusOK},
		{"", http.StatusUnauthorized}, {"Bearer", http.StatusUnauthorized},
		{"Bearer " + token[1:], http.StatusUnauthorized}, {"Basic " + token, http.StatusUnauthorized},
	} {
		for _, path := range []string{"/v1/status", "/openapi.json", "/metrics"} {
			url := "https://" + c.Listen.String() + path
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", tt.authorization)
			response, err := transport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			var p Problem
			if tt.status != http.StatusOK {
				if json.NewDecoder(response.Body).Decode(&p) != nil || p.Status != tt.status {
					t.Errorf("%+v", p)
				}
			}
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if response.StatusCode != tt.status {
				t.Errorf("%s with %q: %s, want %d", path, tt.authorization, response.Status, tt.status)
			}
		}
	}
	if response, err := http.Get("http://" + c.Listen.String() + "/v1/status"); err == nil {
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			t.Error("answered without TLS")
		}
	}
	old := &tls.Config{RootCAs: trusted, MaxVersion: tls.VersionTLS12}
	if conn, err := tls.Dial("tcp", c.Listen.String(), old); err == nil {
		conn.Close()
		t.Error("the server accepts TLS 1.2")
	}
}

// TestRemoteClient sends requests over TCP, and checks the errors of wrong addresses, certificates
// and tokens.
func TestRemoteClient(t *testing.T) {
	d := serve(t, apiFile)
	c, _ := remote(t)
	serveRemote(t, d, c)
	other := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(other, []byte(strings.Repeat("x", minTokenLength)), 0o600); err != nil {
		t.Fatal(err)
	}
	address := "https://" + c.Listen.String()
	for _, tt := range []struct{ address, ca, token, want string }{
		{address, c.Certificate, c.TokenFile, ""},
		{address + "/", c.Certificate, c.TokenFile, ""},
		{address, c.Certificate, other, "control.token_file"},
		{address, "", c.TokenFile, "certificate"},
		{address, c.TokenFile, c.TokenFile, "contains no certificate in PEM form"},
		{address, other + "s", c.TokenFile, "read the trusted certificates"},
		{address, c.Certificate, other + "s", "read the director's token"},
		{"http://" + c.Listen.String(), c.Certificate, c.TokenFile, "write https://"},
		{c.Listen.String(), c.Certificate, c.TokenFile, "write https://"},
	} {
		client, err := NewRemoteClient(tt.address, tt.ca, tt.token)
		var status Status
		if err == nil {
			err = client.Do(t.Context(), http.MethodGet, "status", nil, &status)
			client.http.CloseIdleConnections()
		}
		switch {
		case tt.want == "" && (err != nil || status.Services != 1):
			t.Errorf("%s: %v, %+v", tt.address, err, status)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want one with %q", tt.address, err, tt.want)
		}
	}
}

// TestRemoteWithoutItsFiles checks that the error of a bad file names the key of the configuration.
func TestRemoteWithoutItsFiles(t *testing.T) {
	for _, tt := range []struct {
		want  string
		spoil func(c *config.Control) error
	}{
		{"control.certificate", func(c *config.Control) error { return os.Remove(c.Certificate) }},
		{"control.key", func(c *config.Control) error { return os.WriteFile(c.Key, nil, 0o600) }},
		{"control.token_file", func(c *config.Control) error { return os.Remove(c.TokenFile) }},
		{"invalid token", func(c *config.Control) error {
			return os.WriteFile(c.TokenFile, []byte("short"), 0o600)
		}},
		{"chmod 600", func(c *config.Control) error { return os.Chmod(c.TokenFile, 0o640) }},
		{"control.listen", func(c *config.Control) error {
			c.Listen = netip.MustParseAddrPort("192.0.2.1:1")
			return nil
		}},
	} {
		c, _ := remote(t)
		if err := tt.spoil(&c); err != nil {
			t.Fatal(err)
		}
		_, err := ServeRemote(c, nil, slog.New(slog.DiscardHandler), nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want one with %q", err, tt.want)
		}
	}
}
