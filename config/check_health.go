package config

import (
	"encoding/hex"
	"fmt"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"fulcrum/probe"
)

// checkHealth reports checks that cannot be made.
func (c *checker) checkHealth(i int) {
	s := &c.Services[i]
	c.checkRules(c.at("service", i, "health"), &s.Health)
	for j, rs := range s.RealServers {
		v := c.at("service", i, "real_server", j, "health")
		if rs.Health.Stated() {
			own := s.HealthOf(rs)
			c.checkRules(v, &own)
		}
		c.checkTarget(i, j)
	}
}

// checkRules reports settings of a check that contradict each other.
func (c *checker) checkRules(v value, h *Health) {
	if h.Type == NoHealth {
		return
	}
	if h.Timeout > h.Interval {
		v.of("timeout").reportf("write at most the interval", "%s is longer than interval = %q",
			short(h.Timeout), short(h.Interval))
	}
	if h.Through == ThroughMode {
		c.checkThrough(v, h)
	}
	if _, err := h.Check(); err != nil {
		v.of(err.key).report(err.what, err.right)
	}
}

// checkThrough reports checks that cannot go through the mode of a service.
func (c *checker) checkThrough(v value, h *Health) {
	through := v.of("through")
	switch {
	case !c.Hosted():
		through.report("needs a host interface, and no port has one",
			`give a port one, such as host = "fulcrum0", or write through = "host"`)
	case !h.asks():
		through.reportf("leave the key out", "has no meaning with type = %q", nameOf(h.Type))
	case h.Address.IsValid():
		through.report("leads to the real server, and not to another address",
			`leave address out, or write through = "host"`)
	case h.Source.IsValid():
		through.report("has a source of its own", `leave source out, or write through = "host"`)
	}
}

// of returns the place of a key of a table; that of the table if the file does not have the key.
func (v value) of(key string) value {
	k := value{doc: v.doc, at: v.at.key(key), key: joinKey(v.key, key)}
	if v.doc.lines[k.at] == 0 {
		k.at = v.at
	}
	return k
}

// checkTarget reports a real server whose check has no port.
func (c *checker) checkTarget(i, j int) {
	s := &c.Services[i]
	rs := s.RealServers[j]
	switch h := s.HealthOf(rs); {
	case !h.NeedsPort() || h.Port != 0 || rs.Address.Port() != 0 || !rs.Address.IsValid():
	default:
		c.at("service", i, "real_server", j, "address").reportf(
			"give the health check a port, such as port = 80",
			"%s has no port that the health check could use", rs.Address.Addr())
	}
}

// NeedsPort reports whether the check goes to a port.
func (h *Health) NeedsPort() bool {
	switch h.Type {
	case NoHealth, CheckPing, CheckExec, CheckFile:
		return false
	}
	return true
}

// healthError says what is wrong with a key of a check.
type healthError struct{ key, what, right string }

// Error returns the key and what is wrong with it.
func (e *healthError) Error() string { return e.key + ": " + e.what }

func wrongf(key, right, what string, args ...any) *healthError {
	return &healthError{key, fmt.Sprintf(what, args...), right}
}

// checks has the constructor of each type of check.
var checks = map[HealthType]func(*Health) (probe.Check, *healthError){
	CheckTCP:   func(*Health) (probe.Check, *healthError) { return probe.TCP{}, nil },
	CheckPing:  func(*Health) (probe.Check, *healthError) { return probe.Ping{}, nil },
	CheckSMTP:  (*Health).smtp,
	CheckHTTP:  (*Health).http,
	CheckHTTPS: (*Health).http,
	CheckUDP:   (*Health).udp,
	CheckDNS:   (*Health).dns,
	CheckExec:  (*Health).exec,
	CheckFile:  (*Health).file,
}

// Check returns the check; nil for NoHealth. A Health of a checked configuration has no error.
func (h *Health) Check() (probe.Check, *healthError) {
	if h.Type == NoHealth {
		return nil, nil
	}
	return checks[h.Type](h)
}

var (
	validHost   = regexp.MustCompile(`^[A-Za-z0-9._:\[\]-]*$`)
	validMethod = regexp.MustCompile(`^[A-Z]+$`)
)

func (h *Health) http() (probe.Check, *healthError) {
	p := &probe.HTTP{Path: h.Path, Host: h.Host, Method: h.Method, Digest: strings.ToLower(h.Digest)}
	switch {
	case !strings.HasPrefix(h.Path, "/") || strings.ContainsAny(h.Path, " \t\r\n"):
		return nil, wrongf("path", `write a path such as "/health"`, "invalid path %q", h.Path)
	case !validHost.MatchString(h.Host):
		return nil, wrongf("host", `write a host such as "www.example.org"`, "invalid host %q", h.Host)
	case !validMethod.MatchString(h.Method):
		return nil, wrongf("method", `write a method such as "HEAD"`, "invalid method %q", h.Method)
	case h.Digest != "" && !isDigest(h.Digest):
		return nil, wrongf("digest", "write the 32 hexadecimal digits of an MD5 sum", "invalid digest %q", h.Digest)
	}
	var err error
	if p.Status, err = parseStatus(h.Status); err != nil {
		return nil, wrongf("status", `write numbers and ranges, such as "200-299, 401"`, "invalid status %q", h.Status)
	}
	if h.Body != "" {
		if p.Body, err = regexp.Compile(h.Body); err != nil {
			return nil, wrongf("body", "write a regular expression of RE2's syntax", "%v", err)
		}
	}
	if h.Type == CheckHTTPS {
		p.TLS = &probe.TLS{Name: h.TLSName, Verify: h.TLSVerify}
	}
	return p, nil
}

func isDigest(text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == 16
}

// parseStatus parses numbers and ranges of HTTP statuses.
func parseStatus(text string) (all []probe.Range, err error) {
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		var r probe.Range
		if r.First, err = strconv.Atoi(strings.TrimSpace(first)); err != nil {
			return nil, err
		}
		if r.Last, err = strconv.Atoi(strings.TrimSpace(last)); err != nil {
			return nil, err
		}
		if r.First < 100 || r.Last > 999 || r.First > r.Last {
			return nil, strconv.ErrRange
		}
		all = append(all, r)
	}
	return all, nil
}

func (h *Health) udp() (probe.Check, *healthError) {
	u := &probe.UDP{Answer: h.Answer || h.Expect != "" || h.Least > 0 || h.Most > 0, Least: h.Least, Most: h.Most}
	for _, field := range []struct {
		key, text string
		to        *[]byte
	}{{"payload", h.Payload, &u.Payload}, {"expect", h.Expect, &u.Expect}, {"mask", h.Mask, &u.Mask}} {
		b, err := hex.DecodeString(strings.ReplaceAll(field.text, " ", ""))
		if err != nil || len(b) > 1400 {
			return nil, wrongf(field.key, `write up to 1400 bytes in hexadecimal digits, such as "70 69 6e 67"`,
				"invalid bytes %q", field.text)
		}
		*field.to = b
	}
	switch {
	case len(u.Mask) != 0 && len(u.Mask) != len(u.Expect):
		return nil, wrongf("mask", "give it as many bytes as expect", "has %d bytes, and expect has %d",
			len(u.Mask), len(u.Expect))
	case u.Most > 0 && u.Most < max(u.Least, len(u.Expect)):
		return nil, wrongf("most", "raise it, or leave it out", "%d bytes are fewer than an answer must have", u.Most)
	}
	return u, nil
}

func (h *Health) dns() (probe.Check, *healthError) {
	switch {
	case !probe.KnownType(h.Record):
		return nil, wrongf("record", `write a type such as "A"`, "unknown type of records %q", h.Record)
	case !probe.ValidName(h.Query):
		return nil, wrongf("query", `write a name such as "example.org"`, "invalid name %q", h.Query)
	}
	return &probe.DNS{Name: h.Query, Type: h.Record}, nil
}

func (h *Health) smtp() (probe.Check, *healthError) {
	if h.Helo == "" || !validHost.MatchString(h.Helo) {
		return nil, wrongf("helo", `write a name such as "lb.example.org"`, "invalid name %q", h.Helo)
	}
	return &probe.SMTP{Name: h.Helo}, nil
}

func (h *Health) exec() (probe.Check, *healthError) {
	command := h.Command.List()
	if len(command) == 0 || !filepath.IsAbs(command[0]) {
		return nil, wrongf("command", `write the program's whole path and its arguments, such as `+
			`["/usr/lib/check", "--fast"]`, "has no program with its whole path")
	}
	for _, e := range h.Env.List() {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return nil, wrongf("env", `write entries such as "NAME=value"`, "invalid entry %q", e)
		}
	}
	who, err := credential(h.User)
	if err != nil {
		return nil, wrongf("user", "write the name of a user of this host", "%v", err)
	}
	return &probe.Exec{Command: command, Env: h.Env.List(), User: who, Dynamic: h.Dynamic}, nil
}

// credential returns the ids of a user; nil for an empty name, which is the director's own user.
func credential(name string) (*syscall.Credential, error) {
	if name == "" {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("unknown user %q", name)
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if uidErr != nil || gidErr != nil {
		return nil, fmt.Errorf("user %q has no numbers", name)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (h *Health) file() (probe.Check, *healthError) {
	if !filepath.IsAbs(h.Path) || h.Path == "/" {
		return nil, wrongf("path", `write the file's whole path, such as path = "/run/web1"`, "invalid path %q", h.Path)
	}
	return &probe.File{Path: h.Path}, nil
}
