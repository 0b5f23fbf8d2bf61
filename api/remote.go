package api

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"

	"fulcrum/config"
)

// minTokenLength is the least length of a token, in bytes. A token of that length cannot be
// guessed.
const minTokenLength = 32

// ServeRemote serves the control API over TCP with TLS 1.3, to clients that send the token. It
// reads the token from its file once, and the certificate and its key again when they change.
func ServeRemote(c config.Control, handler http.Handler, log *slog.Logger) (*Server, error) {
	held, err := readCertificates(c, log)
	if err != nil {
		return nil, fmt.Errorf("read the control API's certificate: %w; "+
			"see control.certificate and control.key", err)
	}
	token, err := readToken(c.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the control API's token: %w; see control.token_file", err)
	}
	listener, err := net.Listen("tcp", c.Listen.String())
	if err != nil {
		return nil, fmt.Errorf("listen for the control API: %w; see control.listen", err)
	}
	secure := &tls.Config{GetCertificate: held.get, MinVersion: tls.VersionTLS13}
	return Serve(ServerConfig{
		Name: controlAPI, Listener: listener, TLS: secure, Log: log,
		Handler: authorized(token, handler), Proves: true,
	}), nil
}

// readToken reads a token from a file that only its owner may read.
func readToken(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("other users can read %[1]s: "+
			"run chmod 600 %[1]s and write a new token", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	token := bytes.TrimSpace(text)
	if len(token) < minTokenLength || bytes.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("invalid token in %s: "+
			"write at least %d characters in one line, without spaces", file, minTokenLength)
	}
	return string(token), nil
}

var errUnauthorized = errors.New("missing or wrong token: " +
	"send the token of control.token_file as Authorization: Bearer TOKEN")

// authorized passes on requests with the token and refuses others with status 401. It compares in
// constant time, so that the response time tells nothing about the token.
func authorized(token string, handler http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(shown)))
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.Header().Set("Connection", "close") // a stranger keeps no place
			writeProblem(w, http.StatusUnauthorized, errUnauthorized)
			return
		}
		if prove(w, r) {
			handler.ServeHTTP(w, r)
		}
	})
}
