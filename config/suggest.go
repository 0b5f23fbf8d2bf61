package config

import (
	"fmt"
	"slices"
	"strings"
)

// suggest says what may have been meant by a key that is none of the known ones.
func suggest(word string, known []string) string {
	if near, ok := nearest(word, known); ok {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "known here: " + strings.Join(known, ", ")
}

// nearest finds the known word with the fewest typing errors, if they are few for the word's length.
func nearest(word string, known []string) (string, bool) {
	if len(known) == 0 || len(word) > 64 {
		return "", false
	}
	near := slices.MinFunc(known, func(a, b string) int { return distance(word, a) - distance(word, b) })
	return near, distance(word, near) <= 1+len(word)/4
}

// distance is Levenshtein's: the insertions, deletions and replacements of bytes that make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
