package api

import (
	"context"

	"fulcrum/control"
)

// Refusal is the part of a request that says which change its sender does not want.
type Refusal struct {
	RefuseLast bool `query:"refuse_last" doc:"change nothing, and answer with status 409, if a service or a VIP would lose its last available real server"`
}

// refuseLastLocation names Refusal's parameter in a problem document.
const refuseLastLocation = "query.refuse_last"

// in returns the context for the change of a request.
func (r Refusal) in(ctx context.Context) context.Context {
	if r.RefuseLast {
		return control.RefuseLast(ctx)
	}
	return ctx
}
