package config

import (
	"fmt"
	"slices"
	"strings"
)

// suggest returns the remedy for an unknown key: the most similar known key, or all of them.
func suggest(word string, known []string) string {
	if near, ok := nearest(word, known); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "use one of " + strings.Join(known, ", ")
}

// nearest returns the known word with the smallest distance, if that is small for the word's
// length.
func nearest(word string, known []string) (string, bool) {
	if len(known) == 0 || len(word) > 64 {
		return "", false
	}
	nearer := func(a, b string) int { return distance(word, a) - distance(word, b) }
	near := slices.MinFunc(known, nearer)
	return near, distance(word, near) <= 1+len(word)/4
}

// distance returns the Levenshtein distance: how many insertions, deletions and replacements of
// bytes turn a into b.
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
