package dpvs

import "strings"

const spaces = " \t\r\f\v"

// words splits a line into words as DPVS does. A word that begins with ! or # begins a comment; one
// that begins with < begins an attribute, such as <init>, which is left out.
func words(text string) (all []string) {
	for {
		text = strings.TrimLeft(text, spaces+`"`)
		switch {
		case text == "" || text[0] == '!' || text[0] == '#':
			return all
		case text[0] == '<':
			text = afterAttribute(text)
		default:
			n := wordLength(text)
			all, text = append(all, text[:n]), text[n:]
		}
	}
}

// wordLength returns the length of a text's first word.
func wordLength(text string) int {
	if n := strings.IndexAny(text, spaces+`"`); n >= 0 {
		return n
	}
	return len(text)
}

// afterAttribute returns the text behind an attribute. It ends with a > that ends a word or is in a
// later one, or else with the line.
func afterAttribute(text string) string {
	n := wordLength(text)
	if text[n-1] == '>' {
		return text[n:]
	}
	end := strings.IndexByte(text[n:], '>')
	if end < 0 {
		return ""
	}
	return text[n+end+1:]
}
