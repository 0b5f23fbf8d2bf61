package keepalived

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of the output, so that one mistake in a long file does not scroll everything else away.
const (
	maxProblems = 50
	maxPlaces   = 50  // places of one note
	maxSubject  = 160 // bytes of a subject
)

// place is a line of a file.
type place struct {
	file string
	line int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

// note is something that is not carried over, with all of its places.
type note struct {
	subject, why string
	places       []place
	known        map[place]bool
}

// report collects the notes and problems of a configuration.
type report struct {
	notes    []*note
	known    map[[2]string]*note
	problems Problems
}

func newReport() *report { return &report{known: map[[2]string]*note{}} }

// leave notes something that is not carried over, with the reason.
func (r *report) leave(at place, subject, why string) {
	if len(subject) > maxSubject {
		subject = strings.ToValidUTF8(subject[:maxSubject], "") + "..."
	}
	key := [2]string{subject, why}
	n := r.known[key]
	if n == nil {
		n = &note{subject: subject, why: why, known: map[place]bool{}}
		r.known[key], r.notes = n, append(r.notes, n)
	}
	if !n.known[at] {
		n.known[at], n.places = true, append(n.places, at)
	}
}

// wrong reports a mistake. With a mistake the import has no result.
func (r *report) wrong(at place, form string, values ...any) {
	if len(r.problems) > maxProblems {
		return
	}
	r.problems = append(r.problems, printable(at.String()+": "+fmt.Sprintf(form, values...)))
}

// Problems are the mistakes of a configuration, each with its place: file:line: what is wrong.
type Problems []string

// Error returns the mistakes, one a line. It ends with "and more" if there are too many.
func (p Problems) Error() string {
	if len(p) > maxProblems {
		p = append(p[:maxProblems:maxProblems], "and more")
	}
	return strings.Join(p, "\n")
}

// err returns all mistakes as one error of type Problems, or nil.
func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return r.problems
}

// left returns the notes, one line each.
func (r *report) left() []string {
	var all []string
	for _, n := range r.notes {
		all = append(all, printable(n.String()))
	}
	return all
}

func (n *note) String() string {
	text := fmt.Sprintf("%s: %s: %s", n.places[0], n.subject, n.why)
	if len(n.places) == 1 {
		return text
	}
	return text + " (also " + also(n.places[0].file, n.places[1:]) + ")"
}

// also lists places. It repeats the file's name only when it changes.
func also(file string, places []place) string {
	var all []string
	for i, p := range places {
		switch {
		case i == maxPlaces:
			return strings.Join(append(all, fmt.Sprintf("%d more", len(places)-i)), ", ")
		case p.file == file:
			all = append(all, fmt.Sprint(p.line))
		default:
			all, file = append(all, p.String()), p.file
		}
	}
	return strings.Join(all, ", ")
}

// printable escapes control characters and invalid UTF-8. A terminal would obey the former, and a
// TOML comment may contain neither.
func printable(text string) string {
	var clean strings.Builder
	for i, c := range text {
		switch {
		case c == utf8.RuneError:
			_, size := utf8.DecodeRuneInString(text[i:])
			fmt.Fprintf(&clean, "\\x%x", text[i:i+size])
		case !unicode.IsPrint(c):
			fmt.Fprintf(&clean, "\\u%04x", c)
		default:
			clean.WriteRune(c)
		}
	}
	return clean.String()
}
