package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The readers below return the fallback if the value is absent or invalid. They report an invalid
// one.

func (v value) boolean(fallback bool) bool {
	if b, ok := as[bool](v, "a boolean", "write true or false"); ok {
		return b
	}
	return fallback
}

func (v value) integer(fallback, least, most int) int {
	right := fmt.Sprintf("write an integer from %d to %d", least, most)
	n, ok := as[int64](v, "an integer", right)
	if !ok {
		return fallback
	}
	if n < int64(least) || n > int64(most) {
		v.reportf(right, "%d is out of range", n)
		return fallback
	}
	return int(n)
}

// choice returns one of the supported words.
func (v value) choice(fallback string, c choices) string {
	word, ok := as[string](v, "a string", c.right())
	switch {
	case !ok:
		return fallback
	case slices.Contains(c.supported, word):
		return word
	default:
		v.reportf(c.right(), "unknown %s %q", c.noun, word)
	}
	return fallback
}

const nameForm = "use 1 to 63 letters and digits, with . _ - between them"

var validName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// name returns a name that needs no quotes in logs, metrics and command lines.
func (v value) name() string {
	name, ok := as[string](v, "a string", nameForm)
	if ok && !validName.MatchString(name) {
		v.reportf(nameForm, "invalid name %q", name)
	}
	return name
}

// word returns a string that is not empty and contains neither white space nor control characters.
func (v value) word(right string) string {
	text, ok := as[string](v, "a string", right)
	invisible := func(r rune) bool { return r <= ' ' || r == 0x7f }
	switch {
	case ok && text == "":
		v.report("is empty", right)
	case ok && strings.ContainsFunc(text, invisible):
		v.reportf(right, "%q contains white space or a control character", text)
	}
	return text
}

// duration returns a duration in whole milliseconds, the unit of session timers.
func (v value) duration(fallback, least, most time.Duration) time.Duration {
	right := fmt.Sprintf(`write a duration from %s to %s, such as "30s" or "15m"`,
		short(least), short(most))
	d, ok := parsed(v, time.ParseDuration, "duration", right)
	switch {
	case !ok:
		return fallback
	case d < least || d > most:
		v.reportf(right, "%s is out of range", short(d))
	case d%time.Millisecond != 0:
		v.reportf("write whole milliseconds", "%s is not a whole number of milliseconds", d)
	}
	return d
}

// short formats a duration without the zero minutes and seconds that time.Duration appends: 168h
// instead of 168h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
