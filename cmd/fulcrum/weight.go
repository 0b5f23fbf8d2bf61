package main

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"github.com/spf13/cobra"

	"fulcrum/api"
	"fulcrum/control"
)

// mostWeight is the largest weight (IPVS's, and the configuration's).
const mostWeight = 65535

func newWeightCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "weight SERVICE REAL-SERVER WEIGHT", Short: "Change a real server's weight",
		Args: cobra.RangeArgs(2, 3),
		Long: "weight sets a real server's weight, 0 to 65535. SERVICE is a name or a VIP; REAL-SERVER needs no\n" +
			"port if the service has the address once. --reset in place of WEIGHT gives the real server's settings\n" +
			"back to the file. The last available real server of a service or of a VIP keeps its weight, unless\n" +
			"--force is given.",
		Example: "  fulcrum weight web 10.1.0.11:80 5",
	}
	a := newAsking(c)
	c.ValidArgsFunction = a.completeServer
	c.SetFlagErrorFunc(negativeWeight)
	var f force
	f.addTo(c)
	reset := c.Flags().Bool("reset", false, "reset what was changed live to what the file says")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *reset != (len(args) == 2) {
			return &exitError{code: 2, err: errors.New("give a WEIGHT, or --reset")}
		}
		if *reset {
			return explained(a.reset(c, args[0], args[1], f))
		}
		weight, err := strconv.Atoi(args[2])
		if err != nil || weight < 0 || weight > mostWeight {
			return &exitError{code: 2, err: invalidWeight(args[2])}
		}
		return explained(a.setWeight(c, args[0], args[1], weight, f))
	}
	return c
}

func (a *asking) setWeight(
	c *cobra.Command, service, server string, weight int, f force,
) error {
	service, server, err := a.meant(c, service, server)
	if err != nil {
		return err
	}
	change := control.RealServerChange{Weight: &weight}
	path := api.ServerPath(service, server) + f.query("?")
	err = do(a, c, request{http.MethodPatch, path, change}, showPlan)
	return a.unknownNames(c, service, server, err)
}

func invalidWeight(text string) error {
	return fmt.Errorf("invalid weight %q: give a whole number from 0 to %d", text, mostWeight)
}

var negative = regexp.MustCompile(` in (-[0-9]+)$`)

// negativeWeight returns the error of flags. A negative weight looks like one.
func negativeWeight(_ *cobra.Command, err error) error {
	if m := negative.FindStringSubmatch(err.Error()); m != nil {
		return invalidWeight(m[1])
	}
	return err
}
