package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unique"
)

// HealthType is the kind of a health check.
type HealthType string

// The kinds of checks.
const (
	NoHealth   HealthType = "" // a real server without a check is up
	CheckTCP   HealthType = "tcp"
	CheckHTTP  HealthType = "http"
	CheckHTTPS HealthType = "https"
	CheckUDP   HealthType = "udp"
	CheckDNS   HealthType = "dns"
	CheckPing  HealthType = "ping"
	CheckSMTP  HealthType = "smtp"
	CheckExec  HealthType = "exec"
	CheckFile  HealthType = "file"
)

// OnFail says what becomes of a real server that is down.
type OnFail string

// The choices of OnFail.
const (
	FailRemove OnFail = "remove" // no new sessions; those that it has go on
	FailDrain  OnFail = "drain"  // as with weight 0: persistent clients stay with it
	FailReset  OnFail = "reset"  // its sessions end too
)

// Through says on which way checks go.
type Through string

// The choices of Through.
const (
	ThroughAuto Through = "auto" // by the mode where checks can go so, otherwise by the host
	ThroughHost Through = "host" // by the host's sockets and routes
	ThroughMode Through = "mode" // by the service's mode, as its clients' packets go
)

// ByMode reports whether the checks go by the service's mode. hosted: a port has a host interface.
func (h *Health) ByMode(hosted bool) bool {
	if h.Through != ThroughAuto {
		return h.Through == ThroughMode
	}
	return hosted && h.asks() && !h.Address.IsValid() && !h.Source.IsValid()
}

// asks reports whether the check asks the real server itself.
func (h *Health) asks() bool { return h.Type != CheckExec && h.Type != CheckFile && h.Type != NoHealth }

// Hosted reports whether a port has a host interface.
func (c *Config) Hosted() bool {
	return slices.ContainsFunc(c.Ports, func(p Port) bool { return p.Host != "" })
}

// Health says how real servers are checked; the zero value is not at all. Which of the fields
// behind Source have a meaning depends on Type; the others have their defaults.
type Health struct {
	Type     HealthType
	Interval time.Duration
	Timeout  time.Duration // at most Interval
	Jitter   int           // percent of Interval, 0 to 50
	Rise     int           // good results in a row that make a real server up
	Fall     int           // bad results in a row that make it down
	Down     bool          // down until the first good result
	OnFail   OnFail
	Damping  bool // a real server that comes and goes needs more good results
	// Passive: what becomes of clients' sessions tells too, or alone with NoHealth. Then only OnFail
	// has a meaning besides.
	Passive bool
	Address netip.Addr // to check instead of the real server's; invalid: the real server's
	Port    int        // to check; 0: the real server's
	Source  netip.Addr // to check from; invalid: the kernel's choice
	Through Through

	Path                 string // http, https: of the page; file: of the file
	Host, Method, Status string // http, https
	Body                 string // http, https: a regular expression; empty: any
	Digest               string // http, https: MD5 in hexadecimal digits; empty: any
	TLSName              string // https; empty: Host
	TLSVerify            bool   // https
	Payload              string // udp: hexadecimal digits, as the next ones
	Expect, Mask         string
	Answer               bool // udp: an answer must come
	Least, Most          int  // udp: bytes of the answer; Most 0: any
	Query, Record        string
	Helo                 string
	Command, Env         Words // exec
	User                 string
	Dynamic              bool // exec: statuses from 2 on are weights
}

// Words is a list of strings that can be compared.
type Words string

// WordsOf returns a list. No string may contain a zero byte.
func WordsOf(list []string) Words { return Words(strings.Join(list, "\x00")) }

// List returns the strings.
func (w Words) List() []string {
	if w == "" {
		return nil
	}
	return strings.Split(string(w), "\x00")
}

// OwnHealth is how a real server is checked. The zero value is as its service's.
type OwnHealth struct{ handle unique.Handle[Health] }

// OwnHealthOf returns the value for a real server that is checked in its own way.
func OwnHealthOf(h Health) OwnHealth { return OwnHealth{unique.Make(h)} }

// Stated reports whether the real server is checked in its own way.
func (o OwnHealth) Stated() bool { return o != OwnHealth{} }

// Or returns the real server's own way, or that of its service.
func (o OwnHealth) Or(service Health) Health {
	if !o.Stated() {
		return service
	}
	return o.handle.Value()
}

// Equal reports whether two are the same.
func (o OwnHealth) Equal(other OwnHealth) bool { return o == other }

// String describes it in few words.
func (o OwnHealth) String() string {
	if !o.Stated() {
		return "as the service"
	}
	return o.handle.Value().String()
}

// HealthOf returns how a real server of the service is checked.
func (s *Service) HealthOf(rs RealServer) Health { return rs.Health.Or(s.Health) }

const (
	leastInterval = 10 * time.Millisecond
	mostInterval  = time.Hour
	mostStreak    = 1000
	mostJitter    = 50 // percent
)

// newHealth has the defaults of a check of any type.
var newHealth = Health{
	Interval: 2 * time.Second, Timeout: time.Second, Jitter: 10, Rise: 2, Fall: 3,
	OnFail: FailRemove, Damping: true, Path: "/", Method: "GET", Status: "200-299", Query: ".",
	Record: "SOA", Helo: "fulcrum", Through: ThroughAuto,
}

// NewHealth returns a check of a type with the defaults of its settings.
func NewHealth(t HealthType) Health {
	h := newHealth
	h.Type = t
	return h
}

var (
	healthTypes = choices{noun: "type of check", supported: []string{
		"tcp", "http", "https", "udp", "dns", "ping", "smtp", "exec", "file", "none",
	}}
	onFails = choices{noun: "choice", supported: []string{"remove", "drain", "reset"}}
	starts  = choices{noun: "state", supported: []string{"up", "down"}}
	ways    = choices{noun: "way", supported: []string{"auto", "mode", "host"}}
)

// healthKey is one key of [service.health].
type healthKey struct {
	key   string
	types []HealthType // which have it; nil: all
	read  func(v value, h *Health)
	show  func(h *Health) string // in TOML's notation; empty: the key is left out
}

var pages = []HealthType{CheckHTTP, CheckHTTPS}

// healthKeys is the table of the keys, in the order in which they are written.
var healthKeys = []healthKey{
	{"type", nil,
		func(v value, h *Health) { h.Type = typeOf(v.choice(nameOf(h.Type), healthTypes)) },
		func(h *Health) string { return quote(nameOf(h.Type)) }},
	booleanKey("passive", nil, func(h *Health) *bool { return &h.Passive }),
	durationKey("interval", leastInterval, mostInterval, func(h *Health) *time.Duration { return &h.Interval }),
	durationKey("timeout", leastInterval, mostInterval, func(h *Health) *time.Duration { return &h.Timeout }),
	{"jitter", nil, readJitter, func(h *Health) string { return quote(fmt.Sprintf("%d%%", h.Jitter)) }},
	integerKey("rise", nil, 1, mostStreak, func(h *Health) *int { return &h.Rise }),
	integerKey("fall", nil, 1, mostStreak, func(h *Health) *int { return &h.Fall }),
	{"start", nil,
		func(v value, h *Health) { h.Down = v.choice(startOf(h), starts) == "down" },
		func(h *Health) string { return quote(startOf(h)) }},
	{"on_fail", nil,
		func(v value, h *Health) { h.OnFail = OnFail(v.choice(string(h.OnFail), onFails)) },
		func(h *Health) string { return quote(string(h.OnFail)) }},
	{"through", nil,
		func(v value, h *Health) { h.Through = Through(v.choice(string(h.Through), ways)) },
		func(h *Health) string { return quote(string(h.Through)) }},
	booleanKey("damping", nil, func(h *Health) *bool { return &h.Damping }),
	addressKey("address", func(h *Health) *netip.Addr { return &h.Address }),
	integerKey("port", nil, 0, 65535, func(h *Health) *int { return &h.Port }),
	addressKey("source", func(h *Health) *netip.Addr { return &h.Source }),
	stringKey("path", append(pages, CheckFile), func(h *Health) *string { return &h.Path }),
	stringKey("host", pages, func(h *Health) *string { return &h.Host }),
	stringKey("method", pages, func(h *Health) *string { return &h.Method }),
	stringKey("status", pages, func(h *Health) *string { return &h.Status }),
	stringKey("body", pages, func(h *Health) *string { return &h.Body }),
	stringKey("digest", pages, func(h *Health) *string { return &h.Digest }),
	stringKey("tls_name", []HealthType{CheckHTTPS}, func(h *Health) *string { return &h.TLSName }),
	booleanKey("tls_verify", []HealthType{CheckHTTPS}, func(h *Health) *bool { return &h.TLSVerify }),
	stringKey("payload", []HealthType{CheckUDP}, func(h *Health) *string { return &h.Payload }),
	booleanKey("answer", []HealthType{CheckUDP}, func(h *Health) *bool { return &h.Answer }),
	stringKey("expect", []HealthType{CheckUDP}, func(h *Health) *string { return &h.Expect }),
	stringKey("mask", []HealthType{CheckUDP}, func(h *Health) *string { return &h.Mask }),
	integerKey("least", []HealthType{CheckUDP}, 0, 65535, func(h *Health) *int { return &h.Least }),
	integerKey("most", []HealthType{CheckUDP}, 0, 65535, func(h *Health) *int { return &h.Most }),
	stringKey("query", []HealthType{CheckDNS}, func(h *Health) *string { return &h.Query }),
	stringKey("record", []HealthType{CheckDNS}, func(h *Health) *string { return &h.Record }),
	stringKey("helo", []HealthType{CheckSMTP}, func(h *Health) *string { return &h.Helo }),
	wordsKey("command", []HealthType{CheckExec}, func(h *Health) *Words { return &h.Command }),
	wordsKey("env", []HealthType{CheckExec}, func(h *Health) *Words { return &h.Env }),
	stringKey("user", []HealthType{CheckExec}, func(h *Health) *string { return &h.User }),
	booleanKey("dynamic", []HealthType{CheckExec}, func(h *Health) *bool { return &h.Dynamic }),
}

// noCheck is the type of real servers that are not checked.
const noCheck = "none"

func typeOf(name string) HealthType {
	if name == noCheck {
		return NoHealth
	}
	return HealthType(name)
}

func nameOf(t HealthType) string { return cmp.Or(string(t), noCheck) }

func startOf(h *Health) string {
	if h.Down {
		return "down"
	}
	return "up"
}

func durationKey(key string, least, most time.Duration, of func(*Health) *time.Duration) healthKey {
	return healthKey{key, nil,
		func(v value, h *Health) { *of(h) = v.duration(*of(h), least, most) },
		func(h *Health) string { return quote(short(*of(h))) }}
}

func integerKey(key string, types []HealthType, least, most int, of func(*Health) *int) healthKey {
	return healthKey{key, types,
		func(v value, h *Health) { *of(h) = v.integer(*of(h), least, most) },
		func(h *Health) string { return strconv.Itoa(*of(h)) }}
}

func booleanKey(key string, types []HealthType, of func(*Health) *bool) healthKey {
	return healthKey{key, types,
		func(v value, h *Health) { *of(h) = v.boolean(*of(h)) },
		func(h *Health) string { return strconv.FormatBool(*of(h)) }}
}

func stringKey(key string, types []HealthType, of func(*Health) *string) healthKey {
	return healthKey{key, types,
		func(v value, h *Health) {
			if text, ok := as[string](v, "a string", "write a string"); ok {
				*of(h) = text
			}
		},
		func(h *Health) string { return quote(*of(h)) }}
}

const checkedForm = `write an address such as "10.1.0.11"`

func addressKey(key string, of func(*Health) *netip.Addr) healthKey {
	return healthKey{key, nil,
		func(v value, h *Health) {
			if v.raw == "" { // takes back the service's
				*of(h) = netip.Addr{}
			} else if a, ok := parsed(v, netip.ParseAddr, "address", checkedForm); ok {
				*of(h) = a.Unmap()
			}
		},
		func(h *Health) string {
			if a := *of(h); a.IsValid() {
				return quote(a.String())
			}
			return quote("")
		}}
}

func wordsKey(key string, types []HealthType, of func(*Health) *Words) healthKey {
	return healthKey{key, types,
		func(v value, h *Health) {
			if list, ok := v.texts(); ok {
				*of(h) = list
			}
		},
		func(h *Health) string { return list(quoted(of(h).List())) }}
}

const wordsForm = `write a list of strings, such as ["/usr/lib/check", "--fast"]`

// texts returns a list of strings without zero bytes.
func (v value) texts() (Words, bool) {
	elements, ok := v.elements()
	if !ok && v.given() {
		v.reportf(wordsForm, "is %s, not a list", typeName(v.raw))
	}
	var texts []string
	for _, element := range elements {
		text, ok := as[string](element, "a string", wordsForm)
		if !ok {
			return "", false
		}
		if text == "" || strings.Contains(text, "\x00") {
			element.report("is empty, or contains a zero byte", wordsForm)
			return "", false
		}
		texts = append(texts, text)
	}
	return WordsOf(texts), ok
}

func readJitter(v value, h *Health) {
	percent := func(text string) (int, error) {
		digits, ok := strings.CutSuffix(text, "%")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n < 0 || n > mostJitter {
			return 0, strconv.ErrSyntax
		}
		return n, nil
	}
	if n, ok := parsed(v, percent, "jitter", `write a percentage from "0%" to "50%"`); ok {
		h.Jitter = n
	}
}

// readHealth reads a block of checks. What it does not say is as in before.
func readHealth(t *table, before Health) Health {
	h := before
	kind := t.child("type")
	passive := before.Passive || t.child("passive").given()
	if len(t.entries) > 0 && !kind.given() && before.Type == NoHealth && !passive {
		t.missing("type", healthTypes.right())
	}
	if before.Type == NoHealth || kind.given() && kind.raw != nameOf(before.Type) {
		h = otherType(before)
	}
	for _, k := range healthKeys {
		v := t.get(k.key)
		k.read(v, &h)
		if v.given() && k.key != "type" && !k.fits(h.Type, kind.given() || passive) {
			v.reportf("leave the key out", "has no meaning with type = %q", nameOf(h.Type))
		}
	}
	return h.meaningful()
}

// meaningful returns the settings without those that mean nothing without a check.
func (h Health) meaningful() Health {
	switch {
	case h.Type != NoHealth:
		return h
	case h.Passive:
		return Health{Passive: true, OnFail: h.OnFail}
	}
	return Health{}
}

// otherType returns the settings of another type of check: only those that all types have are kept.
func otherType(before Health) Health {
	h := newHealth
	if h.Passive = before.Passive; h.Passive {
		h.OnFail = before.OnFail
	}
	if before.Type == NoHealth {
		return h
	}
	h.Interval, h.Timeout, h.Jitter = before.Interval, before.Timeout, before.Jitter
	h.Rise, h.Fall, h.Down, h.OnFail = before.Rise, before.Fall, before.Down, before.OnFail
	h.Damping, h.Through = before.Damping, before.Through
	h.Address, h.Port, h.Source = before.Address, before.Port, before.Source
	return h
}

// passiveKeys have a meaning without a check.
var passiveKeys = []string{"passive", "on_fail"}

// fits reports whether a key may stand in a block of a type. A block whose type is missing is
// reported for that.
func (k *healthKey) fits(t HealthType, given bool) bool {
	if t == NoHealth {
		return !given || slices.Contains(passiveKeys, k.key)
	}
	return k.isOf(t)
}

// isPassive reports whether the key has a meaning for a real server without a check.
func (k *healthKey) isPassive(h *Health) bool {
	return k.key == "passive" || h.Passive && k.key == "on_fail"
}

func (k *healthKey) isOf(t HealthType) bool { return k.types == nil || slices.Contains(k.types, t) }

// settings returns the keys that differ from before.
func (h *Health) settings(before Health) (all []setting) {
	other := h.Type != before.Type
	if other || before.Type == NoHealth {
		before = otherType(before)
	}
	for _, k := range healthKeys {
		text := k.show(h)
		if !k.isOf(h.Type) || h.Type == NoHealth && k.key != "type" && !k.isPassive(h) {
			text = ""
		}
		needed := text != "" && text != k.show(&before) || k.key == "type" && other
		all = append(all, setting{k.key, text, needed})
	}
	return all
}

// String returns the settings that are not the defaults, as in `http, path = "/up", rise = 5`.
func (h Health) String() string {
	text := nameOf(h.Type)
	for _, s := range h.settings(Health{})[1:] {
		if s.needed {
			text += ", " + s.key + " = " + s.value
		}
	}
	return text
}
