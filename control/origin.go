package control

import (
	"cmp"

	"fulcrum/config"
)

// Origin says where the running configuration is from.
type Origin struct {
	File     string         // path of the director's own file
	FileText string         // its text when it was last read
	Source   *config.Config // the file, without overrides, that the configuration is from
	Running  *config.Config
	Revision string
	own      bool // Source is what the director's own file said when it was last read
}

// Origin returns where the running configuration is from. The caller must not change it.
func (r *Running) Origin() Origin {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Origin{r.onFile.File, r.onFile.Text, r.base, r.copied(), r.name(), r.base == r.onFile}
}

// Applied returns the name of the file that the configuration is from if that is not what the
// director's own file said. It is empty otherwise.
func (o *Origin) Applied() string {
	switch {
	case o.own:
		return ""
	case o.Source.File == o.File:
		return "an earlier version"
	}
	return cmp.Or(o.Source.File, "a request")
}

// StateProblem returns why the state folder does not have the last change, or an empty text.
func (r *Running) StateProblem() string {
	why := r.unkept
	if r.state != nil {
		why = r.state.Problem()
	}
	if why == nil {
		return ""
	}
	return why.Error()
}
