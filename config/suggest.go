package config

import (
	"fmt"
	"slices"
	"strings"
)

// suggest returns the remedy for an unknown key: the most similar known key, or all of them.
func suggest(word string, known []string) string {
	if near, ok := Nearest(word, known); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "use one of " + strings.Join(known, ", ")
}

// Nearest returns the known word with the smallest distance, if that is small for the word's
// length.
func Nearest(word string, known []string) (string, bool) {
	if len(known) == 0 || len(word) > 64 {
		return "", false
	}
	nearer := func(a, b string) int { return distance(word, a) - distance(word, b) }
	near := slices.MinFunc(known, nearer)
	return near, distance(word, near) <= 1+len(word)/4
}

// distance returns how many insertions, deletions and replacements of bytes, and exchanges of two
// neighbours, turn a into b (the optimal string alignment distance).
func distance(a, b string) int {
	var before []int // the row before the last
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			replaced := row[j]
			if a[i] != b[j] {
				replaced++
			}
			next[j+1] = min(replaced, next[j]+1, row[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
