package config

import "strconv"

// A place is a path in a document: the keys and array indices that lead there from the root. Keys
// are quoted, so that two places never have the same text.
type place string

const root place = ""

func (p place) key(name string) place { return p + "." + place(strconv.Quote(name)) }

func (p place) index(i int) place { return p + "[" + place(strconv.Itoa(i)) + "]" }
