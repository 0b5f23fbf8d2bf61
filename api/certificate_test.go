package api

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

// handshake returns whether a client that trusts these certificates gets a connection.
func handshake(address string, trusted *x509.CertPool) error {
	c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: trusted})
	if err != nil {
		return err
	}
	return c.Close()
}

// replace gives one file the content of another and a time that no write before had.
func replace(t *testing.T, file, by string, later time.Duration) {
	t.Helper()
	text, err := os.ReadFile(by)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	when := time.Now().Add(later)
	if err := os.Chtimes(file, when, when); err != nil {
		t.Fatal(err)
	}
}

// TestCertificateIsReadAgain replaces certificate and key one after the other, as renewals do.
func TestCertificateIsReadAgain(t *testing.T) {
	d := serve(t, apiFile)
	c, former := remote(t)
	serveRemote(t, d, c)
	next, trusted := remote(t)
	address := c.Listen.String()
	if err := handshake(address, former); err != nil {
		t.Fatal(err)
	}
	replace(t, c.Certificate, next.Certificate, time.Minute)
	if err := handshake(address, former); err != nil {
		t.Errorf("the key is not replaced yet: %v", err)
	}
	replace(t, c.Key, next.Key, time.Minute)
	if err := handshake(address, trusted); err != nil {
		t.Errorf("both are replaced: %v", err)
	}
	if err := os.Remove(c.Key); err != nil {
		t.Fatal(err)
	}
	if err := handshake(address, trusted); err != nil {
		t.Errorf("the key is gone: %v", err)
	}
}

// TestKeyThatOthersCanRead is refused like a token that others can read.
func TestKeyThatOthersCanRead(t *testing.T) {
	d := serve(t, apiFile)
	for mode, refused := range map[os.FileMode]bool{
		0o600: false, 0o640: false, 0o644: true, 0o602: true, 0o601: true,
	} {
		c, _ := remote(t)
		if err := os.Chmod(c.Key, mode); err != nil {
			t.Fatal(err)
		}
		s, err := ServeRemote(c, NewHandler(d.running, d.engine, nil, nil), slog.New(slog.DiscardHandler), nil)
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
		if err == nil {
			_ = s.Close()
		}
	}
}
