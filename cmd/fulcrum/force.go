package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"fulcrum/control"
)

// force is the flag that takes a service's last available real server away from it.
type force bool

func (f *force) addTo(c *cobra.Command) {
	c.Flags().BoolVar((*bool)(f), "force", false,
		"do it even if a service or a VIP loses its last available real server")
}

// query is the part of a request's path, with the sign before it, by which the director refuses.
func (f force) query(sign string) string {
	if f {
		return ""
	}
	return sign + "refuse_last=true"
}

// explained adds to the director's refusal how to do it all the same.
func explained(err error) error {
	if errors.Is(err, control.ErrLastServer) {
		return fmt.Errorf("%w; repeat it with --force to do it all the same", err)
	}
	return err
}
