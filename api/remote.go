package api

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"fulcrum/config"
)

// ServeRemote serves the control API over TCP with TLS 1.3, to clients that send a token. It reads
// the tokens, and the certificate with its key, again when their files change. open is the listening
// socket that the process before passes on, or nil. It belongs to the callee, which closes it once
// the certificate and the tokens were read.
func ServeRemote(
	c config.Control, handler http.Handler, log *slog.Logger, open *os.File,
) (*Server, error) {
	certificate, err := readCertificates(c, log)
	if err != nil {
		return nil, fmt.Errorf("read the control API's certificate: %w; "+
			"see control.certificate and control.key", err)
	}
	tokens, err := readTokens(c, log)
	if err != nil {
		return nil, fmt.Errorf("read the control API's token: %w", err)
	}
	listener, err := listenTCP(c.Listen, open)
	if err != nil {
		return nil, fmt.Errorf("listen for the control API: %w; see control.listen", err)
	}
	held := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate.get(), nil }
	secure := &tls.Config{GetCertificate: held, MinVersion: tls.VersionTLS13}
	return Serve(ServerConfig{
		Name: controlAPI, Listener: listener, TLS: secure, Log: log,
		Handler: authorized(tokens, handler), Proves: true,
	}), nil
}
