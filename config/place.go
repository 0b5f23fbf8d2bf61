package config

import "strconv"

// A place is where in a document something stands: the keys and array indices that lead there from the root. Keys are
// quoted, so that no two places are written alike.
type place string

const root place = ""

func (p place) key(name string) place { return p + "." + place(strconv.Quote(name)) }

func (p place) index(i int) place { return p + "[" + place(strconv.Itoa(i)) + "]" }
