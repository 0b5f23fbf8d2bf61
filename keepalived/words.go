package keepalived

import (
	"errors"
	"strconv"
	"strings"
)

// word is a part of a line; a brace is a word of its own unless it was quoted.
type word struct {
	text  string
	brace bool
}

const spaces = " \t\r\f\v"

// words cuts a line.
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
		w, rest, err := cut(text)
		if err != nil {
			return nil, err
		}
		all, text = append(all, word{text: w}), rest
	}
}

// cut takes the first word off a text that begins with one. Quotes may be anywhere in it, and are not part of it.
func cut(text string) (w, rest string, err error) {
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
		case quote == 0 && strings.IndexByte(spaces+"{}", c) >= 0:
			return string(kept), text[i:], nil
		default:
			kept = append(kept, c)
		}
		i += n
	}
	if quote != 0 {
		return "", "", errors.New("a string has no end: add the second " + string(quote))
	}
	return string(kept), "", nil
}

// opens reports whether a text begins with a quote. An apostrophe alone on its line is none: keepalived takes it as one for scripts only.
func opens(text string) bool {
	return text[0] == '"' || text[0] == '\'' && strings.Contains(text[1:], "'")
}

// maxName bounds the search for a name's end.
const maxName = 256

// nameLength gives the length of an undefined ${NAME}, in which braces are no block's; 0 where there is none.
func nameLength(text string) int {
	if !strings.HasPrefix(text, "${") {
		return 0
	}
	return strings.IndexByte(text[:min(maxName, len(text))], '}') + 1
}

// controls are the letters that stand for a control character behind a \.
var controls = map[byte]byte{'a': '\a', 'b': '\b', 'E': 0x1b, 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// escaped gives the byte that the text behind a \ stands for, and how many bytes it takes together with the \.
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

// number reads the digits at a text's beginning, and says how many there are.
func number(text string, base, most int) (byte, int) {
	for n := min(most, len(text)); n > 0; n-- {
		if v, err := strconv.ParseUint(text[:n], base, 16); err == nil {
			return byte(v), n
		}
	}
	return 0, 0
}
