package api

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"fulcrum/config"
)

// certificates holds the certificate of the control API. It is read again once its file or that of
// its key has changed, which each handshake looks for.
type certificates struct {
	certificate, key string // files
	log              *slog.Logger

	mu      sync.Mutex // guards the fields below
	version [2]fileVersion
	current *tls.Certificate
}

// fileVersion tells one content of a file from another.
type fileVersion struct {
	changed time.Time
	size    int64
}

// readCertificates reads the certificate and its key, which only its owner and its group may read.
func readCertificates(c config.Control, log *slog.Logger) (*certificates, error) {
	s := &certificates{certificate: c.Certificate, key: c.Key, log: log}
	s.version = s.versions()
	var err error
	s.current, err = s.read()
	return s, err
}

func (s *certificates) read() (*tls.Certificate, error) {
	info, err := os.Stat(s.key)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("other users can use the key %[1]s: "+
			"run chmod 600 %[1]s and replace the key", s.key)
	}
	pair, err := tls.LoadX509KeyPair(s.certificate, s.key)
	return &pair, err
}

func (s *certificates) versions() (all [2]fileVersion) {
	for i, file := range []string{s.certificate, s.key} {
		if info, err := os.Stat(file); err == nil {
			all[i] = fileVersion{info.ModTime(), info.Size()}
		}
	}
	return all
}

// get returns the certificate for a handshake. While the files do not belong together, as between
// the renewal of one and of the other, the former certificate stays.
func (s *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.versions(); now != s.version {
		s.version = now
		s.renew()
	}
	return s.current, nil
}

func (s *certificates) renew() {
	next, err := s.read()
	if err != nil {
		s.log.Warn("the control API's certificate has changed and cannot be read; the former one stays",
			"error", err)
		return
	}
	s.current = next
	s.log.Info("the control API's certificate was read again", "file", s.certificate)
}
