package keepalived

import (
	"regexp"
	"slices"
	"strings"
)

// pageKeys are the keys of HTTP_GET and SSL_GET. Nothing is to do for the last two: one good page
// brings a real server up, and TLS always hears the host's name.
var pageKeys = map[string]func(*checking, *entry){
	"url":           (*checking).takeURL,
	"sni_name":      func(c *checking, e *entry) { c.h.TLSName = e.value() },
	"http_protocol": (*checking).leaveProtocol,
	"enable_sni":    func(*checking, *entry) {},
	"fast_recovery": func(*checking, *entry) {},
}

func (c *checking) leaveProtocol(e *entry) {
	if e.value() != "1.1" {
		c.Leave(e.place, e.String(), "pages are asked for by HTTP 1.1 with Connection: close")
	}
}

// takeURL reads the first page of a check, and lists the others.
func (c *checking) takeURL(e *entry) {
	if c.page != nil {
		c.Leave(e.place, "url", onePage)
		return
	}
	c.page, c.h.Path = e, ""
	for _, x := range e.block {
		switch key := x.words[0]; key {
		case "path":
			c.h.Path = x.value()
		case "digest":
			c.h.Digest = x.value()
		case "status_code":
			c.h.Status = strings.Join(x.words[1:], ", ")
		case "virtualhost":
			c.h.Host = x.value()
		case "regex", "regex_options", "regex_no_match":
			c.regex[key] = x
		default:
			c.leaveKey(x)
		}
	}
}

// finishPage sets what the page has from outside, and its regular expression.
func finishPage(c *checking) {
	if c.page == nil {
		c.leaveOut("has no url, so that keepalived makes no check either")
		return
	}
	if o, ok := c.option("virtualhost"); ok && c.h.Host == "" {
		c.h.Host = o.value()
	}
	c.h.Body = c.body()
}

// flags are those of RE2 for the options of PCRE.
var flags = map[string]string{"caseless": "i", "dotall": "s", "multiline": "m", "ungreedy": "U"}

// body returns the regular expression that the page must match.
func (c *checking) body() string {
	e := c.regex["regex"]
	if e == nil {
		return ""
	}
	if x := c.regex["regex_no_match"]; x != nil {
		c.Leave(e.place, e.String(), "a page must match: one that must not is not supported")
		return ""
	}
	text := e.value()
	if set := c.regexFlags(); set != "" {
		text = "(?" + set + ")" + text
	}
	if _, err := regexp.Compile(text); err != nil {
		c.Leave(e.place, e.String(), "is not of RE2's syntax: the body is not checked")
		return ""
	}
	return text
}

func (c *checking) regexFlags() string {
	e := c.regex["regex_options"]
	if e == nil {
		return ""
	}
	var all []string
	for _, name := range e.words[1:] {
		if flags[name] == "" {
			c.Leave(e.place, "regex_options "+name, "RE2 has no such option")
		}
		all = append(all, flags[name])
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "")
}
