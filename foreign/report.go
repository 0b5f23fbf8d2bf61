package foreign

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

// Place is a line of a file.
type Place struct {
	File string
	Line int // from 1
}

func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// note is something that is not carried over, with all of its places.
type note struct {
	subject, why string
	places       []Place
	known        map[Place]bool
}

// Report collects what is not carried over, and the mistakes of a configuration.
type Report struct {
	notes    []*note
	known    map[[2]string]*note
	problems Problems
}

// NewReport returns an empty report.
func NewReport() *Report { return &Report{known: map[[2]string]*note{}} }

// Leave notes something that is not carried over, with the reason. The same subject and reason at
// several places are one note.
func (r *Report) Leave(at Place, subject, why string) {
	if len(subject) > maxSubject {
		subject = strings.ToValidUTF8(subject[:maxSubject], "") + "..."
	}
	key := [2]string{subject, why}
	n := r.known[key]
	if n == nil {
		n = &note{subject: subject, why: why, known: map[Place]bool{}}
		r.known[key], r.notes = n, append(r.notes, n)
	}
	if !n.known[at] {
		n.known[at], n.places = true, append(n.places, at)
	}
}

// Wrong reports a mistake. With a mistake the import has no result.
func (r *Report) Wrong(at Place, form string, values ...any) {
	if r.Full() {
		return
	}
	r.problems = append(r.problems, Printable(at.String()+": "+fmt.Sprintf(form, values...)))
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

// Full reports whether there are more mistakes than are shown, so that reading on is of no use.
func (r *Report) Full() bool { return len(r.problems) > maxProblems }

// Err returns all mistakes as one error of type Problems, or nil.
func (r *Report) Err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return r.problems
}

// Left returns the notes, one line each: place, subject and reason.
func (r *Report) Left() []string {
	var all []string
	for _, n := range r.notes {
		all = append(all, Printable(n.String()))
	}
	return all
}

func (n *note) String() string {
	text := fmt.Sprintf("%s: %s: %s", n.places[0], n.subject, n.why)
	if len(n.places) == 1 {
		return text
	}
	return text + " (also " + also(n.places[0].File, n.places[1:]) + ")"
}

// also lists places. It repeats the file's name only when it changes.
func also(file string, places []Place) string {
	var all []string
	for i, p := range places {
		switch {
		case i == maxPlaces:
			return strings.Join(append(all, fmt.Sprintf("%d more", len(places)-i)), ", ")
		case p.File == file:
			all = append(all, fmt.Sprint(p.Line))
		default:
			all, file = append(all, p.String()), p.File
		}
	}
	return strings.Join(all, ", ")
}

// Printable escapes control characters and invalid UTF-8. A terminal would obey the former, and a
// TOML comment may contain neither.
func Printable(text string) string {
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
