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

// leastToken is how long a token has to be, in bytes: nobody tries out all of them.
const leastToken = 32

// ServeRemote serves the control API over TCP: with TLS, and to clients that show the token. Its files are read once.
func ServeRemote(c config.Control, handler http.Handler, log *slog.Logger) (*Server, error) {
	certificate, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, fmt.Errorf("read the control API's certificate: %w; see control.certificate and control.key", err)
	}
	token, err := readToken(c.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the control API's token: %w; see control.token_file", err)
	}
	listener, err := net.Listen("tcp", c.Listen.String())
	if err != nil {
		return nil, fmt.Errorf("listen for the control API: %w; see control.listen", err)
	}
	secure := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
	return Serve(ServerConfig{
		Name: controlAPI, Listener: listener, TLS: secure, Handler: authorized(token, handler), Log: log,
	}), nil
}

func readToken(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others than its owner: chmod 600 it, and write a new token", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	token := bytes.TrimSpace(text)
	if len(token) < leastToken || bytes.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("%s has no token: write at least %d characters in one line, without spaces", file, leastToken)
	}
	return string(token), nil
}

var errUnauthorized = errors.New("the token is missing or not that of control.token_file: send it as Authorization: Bearer TOKEN")

// authorized lets requests through that show the token. How long the comparison takes tells nothing of the token.
func authorized(token string, handler http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(shown)))
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeProblem(w, http.StatusUnauthorized, errUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	})
}
