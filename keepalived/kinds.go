package keepalived

import (
	"strings"
	"time"

	"fulcrum/config"
)

// kind is one of keepalived's checks.
type kind struct {
	of     config.HealthType
	says   int           // how much: of several checks the one that says most is used
	retry  int           // more tries of one that fails, if the file says nothing
	pause  time.Duration // before each of them; 0: delay_loop
	keys   map[string]func(*checking, *entry)
	finish func(*checking) // after all keys; may be nil
}

var kinds = map[string]*kind{
	"PING_CHECK": {of: config.CheckPing, retry: 1, pause: time.Second},
	"TCP_CHECK":  {of: config.CheckTCP, says: 1, retry: 1, pause: time.Second},
	"UDP_CHECK": {of: config.CheckUDP, says: 1, retry: 1, pause: time.Second, finish: finishUDP,
		keys: map[string]func(*checking, *entry){
			"payload":          (*checking).payload,
			"require_reply":    (*checking).requireReply,
			"min_reply_length": func(c *checking, e *entry) { c.h.Least = c.number(e, 0, mostReply) },
			"max_reply_length": func(c *checking, e *entry) { c.h.Most = c.number(e, 0, mostReply) },
		}},
	"HTTP_GET": {of: config.CheckHTTP, says: 2, retry: 1, pause: 3 * time.Second,
		keys: pageKeys, finish: finishPage},
	"SSL_GET": {of: config.CheckHTTPS, says: 2, retry: 1, pause: 3 * time.Second,
		keys: pageKeys, finish: finishPage},
	"SMTP_CHECK": {of: config.CheckSMTP, says: 2, retry: 1, pause: time.Second,
		keys: map[string]func(*checking, *entry){
			"helo_name": (*checking).takeHelo,
			"host":      (*checking).takeHost,
		}},
	"DNS_CHECK": {of: config.CheckDNS, says: 2, retry: 3,
		keys: map[string]func(*checking, *entry){
			"type": func(c *checking, e *entry) { c.h.Record = strings.ToUpper(e.value()) },
			"name": func(c *checking, e *entry) { c.h.Query = e.value() },
		}},
	"MISC_CHECK": {of: config.CheckExec, says: 2, pause: time.Second, finish: finishScript,
		keys: map[string]func(*checking, *entry){
			"misc_path":    func(c *checking, e *entry) { c.h.Command = c.program(e) },
			"misc_timeout": (*checking).takeScriptTimeout,
			"misc_dynamic": func(c *checking, e *entry) { c.h.Dynamic = c.truth(e) },
			"user":         (*checking).takeUser,
		}},
}

// takeHelo keeps the default name in place of one that is not a host's.
func (c *checking) takeHelo(e *entry) {
	h := config.NewHealth(config.CheckSMTP)
	if h.Helo = e.value(); c.valid(e, &h) {
		c.h.Helo = h.Helo
	}
}

// valid reports whether a check with a key's value can be made, and lists the key otherwise.
func (c *checking) valid(e *entry, h *config.Health) bool {
	_, err := h.Check()
	if err != nil {
		c.Leave(e.place, e.String(), err.Error())
	}
	return err == nil
}

// takeHost takes one of the addresses of a SMTP_CHECK.
func (c *checking) takeHost(e *entry) {
	if c.host != nil {
		c.Leave(e.place, "host", oneAddress)
		return
	}
	c.host = e
	for _, x := range e.block {
		if !c.key(x) {
			c.leaveKey(x)
		}
	}
}

const (
	mostReply    = 1<<16 - 1
	defaultReply = 255 // bytes at most
)

func (c *checking) payload(e *entry) { c.h.Payload, _ = c.hexadecimal(e, false) }

// requireReply reads what the answer must be; without a value any answer will do.
func (c *checking) requireReply(e *entry) {
	if c.reply = true; len(e.words) > 1 {
		c.h.Expect, c.h.Mask = c.hexadecimal(e, true)
	}
}

// finishUDP drops lengths without require_reply, which mean nothing.
func finishUDP(c *checking) {
	switch {
	case !c.reply:
		c.h.Least, c.h.Most = 0, 0
	case c.h.Most == 0:
		c.h.Most = defaultReply
	}
	c.h.Answer = c.reply
}

// hexadecimal parses keepalived's hexadecimal strings: a digit alone between spaces is a byte of
// its own, and X any digit, for which the mask has zeros. The mask is empty if there is none.
func (c *checking) hexadecimal(e *entry, masked bool) (digits, mask string) {
	wild := false
	for _, word := range e.words[1:] {
		for len(word) > 0 {
			one := word[:min(2, len(word))]
			word = word[len(one):]
			if len(one) == 1 {
				one = "0" + one
			}
			for _, digit := range strings.ToLower(one) {
				switch {
				case strings.ContainsRune("0123456789abcdef", digit):
					digits, mask = digits+string(digit), mask+"f"
				case digit == 'x' && masked:
					digits, mask, wild = digits+"0", mask+"0", true
				default:
					c.Wrong(e.place, "invalid %s: write hexadecimal digits", e)
					return "", ""
				}
			}
		}
	}
	if !wild {
		mask = ""
	}
	return digits, mask
}
