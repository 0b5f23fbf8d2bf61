package control

import "fmt"

// Succession says how a director has taken over from the one before.
type Succession struct {
	Process int         `json:"process"` // its number
	Version string      `json:"version"`
	Commit  string      `json:"commit"`
	Kept    *KeptReport `json:"kept"`
}

// String returns a line such as "Fulcrum 1.4.0 (process 4711) has taken over: kept 1,000 of 1,000
// sessions, dark 12 ms".
func (s *Succession) String() string {
	return fmt.Sprintf("Fulcrum %s (process %d) has taken over: %s", s.Version, s.Process, s.Kept)
}
