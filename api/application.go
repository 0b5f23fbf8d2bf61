package api

import (
	"cmp"

	"fulcrum/control"
)

// PlanInput is a request to plan the application of a file.
type PlanInput struct {
	FileInput
	Overrides string `query:"overrides" enum:"keep,drop" doc:"keep: overrides win over the file; drop: the file wins over overrides. Otherwise the file wins where it has changed"`
}

func (in *PlanInput) precedence() control.Precedence { return control.Precedence(in.Overrides) }

// ApplyInput is a request to apply a file, or a changed copy of the running configuration.
type ApplyInput struct {
	PlanInput
	Live    bool   `query:"live" doc:"the text is the running configuration with changes: they become overrides"`
	IfMatch string `header:"If-Match" doc:"apply only if the running configuration has this ETag. The text is then that configuration with changes: overrides are dropped unless the request says otherwise"`
}

// application returns how to apply the file. A text that was made from the running configuration
// has the overrides in it already.
func (in *ApplyInput) application() control.Application {
	how := control.Application{
		Revision: revisionOf(in.IfMatch), Precedence: in.precedence(), Live: in.Live,
	}
	if how.Revision != "" {
		how.Precedence = cmp.Or(how.Precedence, control.DropOverrides)
	}
	return how
}
