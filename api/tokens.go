package api

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"fulcrum/config"
)

// minTokenLength is the least length of a token, in bytes. A token of that length cannot be
// guessed.
const minTokenLength = 32

// rights say what the client with a token may do.
type rights int

const (
	noRights rights = iota
	mayRead
	mayChange
)

// tokens are the tokens of the control API as hashes, so that a comparison takes the same time for
// all of them.
type tokens struct {
	change, read [sha256.Size]byte
	readers      int // 1 if there is a token of those that only read, else 0
}

// rightsOf returns what a client with a token may do. It compares in constant time, so that the
// response time tells nothing about the tokens.
func (t *tokens) rightsOf(shown string) rights {
	got := sha256.Sum256([]byte(shown))
	changes := subtle.ConstantTimeCompare(got[:], t.change[:])
	reads := subtle.ConstantTimeCompare(got[:], t.read[:]) & t.readers
	return rights(changes*int(mayChange) | reads*int(mayRead))
}

var errSameToken = errors.New("control.token_file and control.read_token_file have the same token: " +
	"write another one to either")

// readTokens reads the tokens of the control API. Each request looks whether the files have
// changed.
func readTokens(c config.Control, log *slog.Logger) (*reread[tokens], error) {
	files := []string{c.TokenFile}
	if c.ReadTokenFile != "" {
		files = append(files, c.ReadTokenFile)
	}
	return newReread("token", files, log, func() (tokens, error) { return tokensOf(c) })
}

func tokensOf(c config.Control) (t tokens, err error) {
	token, err := readToken(c.TokenFile)
	if err != nil {
		return t, fmt.Errorf("%w; see control.token_file", err)
	}
	t.change = sha256.Sum256([]byte(token))
	if c.ReadTokenFile == "" {
		return t, nil
	}
	if token, err = readToken(c.ReadTokenFile); err != nil {
		return t, fmt.Errorf("%w; see control.read_token_file", err)
	}
	t.read, t.readers = sha256.Sum256([]byte(token)), 1
	if t.read == t.change {
		return t, errSameToken
	}
	return t, nil
}

// readToken reads a token from a file that only its owner may read.
func readToken(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("other users can read %[1]s: "+
			"run chmod 600 %[1]s and write a new token", name)
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return "", err
	}
	token := bytes.TrimSpace(text)
	if len(token) < minTokenLength || bytes.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("invalid token in %s: "+
			"write at least %d characters in one line, without spaces", name, minTokenLength)
	}
	return string(token), nil
}

var (
	errUnauthorized = errors.New("missing or wrong token: " +
		"send the token of control.token_file as Authorization: Bearer TOKEN")
	errReadOnly = errors.New("this token only reads: " +
		"send the token of control.token_file, which may change the director and capture packets")
)

// authorized passes on requests whose token allows them. It refuses others with status 401, and
// with 403 if the token only reads.
func authorized(t *reread[tokens], handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		held := t.get()
		granted := held.rightsOf(strings.TrimSpace(shown))
		if !strings.EqualFold(scheme, "Bearer") || granted == noRights {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.Header().Set("Connection", "close") // a stranger keeps no place
			writeProblem(w, http.StatusUnauthorized, errUnauthorized)
			return
		}
		if !prove(w, r) {
			return
		}
		if granted < rightsFor(r.Method, r.URL.Path) {
			writeProblem(w, http.StatusForbidden, errReadOnly)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// capturePath is read, but shows what clients send.
const capturePath = "/v1/capture"

// rightsFor returns the rights that a request needs.
func rightsFor(method, path string) rights {
	if changes(method, path) || path == capturePath {
		return mayChange
	}
	return mayRead
}
