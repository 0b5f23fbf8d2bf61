package keepalived

import (
	"errors"
	"strconv"
	"strings"
)

// word is a part of a line. An unquoted brace is always a word of its own.
type word struct {
	text  string
	brace bool
}

const spaces = " \t\r\f\v"

// words splits a line into words.
func words(text string) ([]word, error) {
	var all []word
	for {
		text = strings.TrimLeft(text, spaces)
		if text == "" {
			return all, nil
		}
		if text[0] == '{' || text[0] == '}' {
			all, text = append(all, word{text[:1], true}), text[1:]
			continue
		}
		w, rest, err := cut(text, spaces+"{}")
		if err != nil {
			return nil, err
		}
		all, text = append(all, word{text: w}), rest
	}
}

// cut splits the first word off a text that begins with one. The word ends at the first of some
// characters outside quotes. It removes quotes, which may be anywhere in the word.
func cut(text, ends string) (w, rest string, err error) {
	var kept []byte
	quote := byte(0)
	for i := 0; i < len(text); {
		n := 1
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			c, n = escaped(text[i+1:])
			kept = append(kept, c)
		case c == quote:
			quote = 0
		case quote == 0 && opens(text[i:]):
			quote = c
		case quote == 0 && nameLength(text[i:]) > 0:
			n = nameLength(text[i:])
			kept = append(kept, text[i:i+n]...)
		case quote == 0 && strings.IndexByte(ends, c) >= 0:
			return string(kept), text[i:], nil
		default:
			kept = append(kept, c)
		}
		i += n
	}
	if quote != 0 {
		return "", "", errors.New("unterminated string: add the closing " + string(quote))
	}
	return string(kept), "", nil
}

// opens reports whether a text begins with a quote. A single apostrophe in a line does not quote:
// keepalived honours it in scripts only.
func opens(text string) bool {
	return text[0] == '"' || text[0] == '\'' && strings.Contains(text[1:], "'")
}

// maxName bounds the search for a name's end.
const maxName = 256

// nameLength returns the length of an undefined ${NAME} at the beginning of a text, or 0. Its
// braces do not open a block.
func nameLength(text string) int {
	if !strings.HasPrefix(text, "${") {
		return 0
	}
	return strings.IndexByte(text[:min(maxName, len(text))], '}') + 1
}

// controls maps the letters after a \ to control characters.
var controls = map[byte]byte{
	'a': '\a', 'b': '\b', 'E': 0x1b, 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v',
}

// escaped decodes the text after a \. It returns the byte, and the length of the sequence with
// the \.
func escaped(text string) (byte, int) {
	if c, n := number(text, 8, 3); n > 0 {
		return c, 1 + n
	}
	if c, n := number(text[1:], 16, 2); n > 0 && text[0] == 'x' {
		return c, 2 + n
	}
	if text[0] == 'c' && len(text) > 1 {
		return text[1] & 0x1f, 3
	}
	if c, ok := controls[text[0]]; ok {
		return c, 2
	}
	return text[0], 2
}

// number parses up to most digits at the beginning of a text, and returns how many there are.
func number(text string, base, most int) (byte, int) {
	for n := min(most, len(text)); n > 0; n-- {
		if v, err := strconv.ParseUint(text[:n], base, 16); err == nil {
			return byte(v), n
		}
	}
	return 0, 0
}
