package api

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"

	"fulcrum/config"
)

// readCertificates reads the certificate of the control API and its key, which only its owner and
// its group may read. Each handshake looks whether the files have changed.
func readCertificates(c config.Control, log *slog.Logger) (*reread[*tls.Certificate], error) {
	files := []string{c.Certificate, c.Key}
	return newReread("certificate", files, log, func() (*tls.Certificate, error) {
		return readCertificate(c.Certificate, c.Key)
	})
}

func readCertificate(certificate, key string) (*tls.Certificate, error) {
	info, err := os.Stat(key)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("other users can use the key %[1]s: "+
			"run chmod 600 %[1]s and replace the key", key)
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	return &pair, err
}
