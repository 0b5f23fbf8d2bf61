package api

import (
	"strconv"
	"strings"
	"unicode"
)

// printable returns a text in which every character that a terminal or log may obey stands as its
// escape sequence, such as \x1b. Line breaks and tabs stay. Text from outside passes it before it
// is shown.
func printable(text string) string {
	shown := func(r rune) bool { return unicode.IsPrint(r) || r == '\n' || r == '\t' }
	var b strings.Builder
	for _, r := range text {
		if shown(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// printableName is printable for a name, which has one line.
func printableName(name string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(printable(name))
}
