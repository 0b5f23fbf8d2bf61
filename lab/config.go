package lab

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"

	"fulcrum/lvs"
)

// realServers is how many real servers every lab has.
const realServers = 3

// Config says what to build.
type Config struct {
	// Mode is the forwarding mode of both services.
	Mode lvs.Mode
	// Family is that of the addresses; default IPv4.
	Family Family
	// Arms is the director's number of ports: 2 (front and back, the default) or 1 (front only).
	Arms int
	// Scheduler is that of both services.
	Scheduler lvs.Scheduler
	// Weights are those of the three real servers in order; default 1, 1, 1.
	Weights []int
	// Workers is how many workers the director has; default 1. They share the CPUs there are.
	Workers int
	// Binary is the fulcrum program: it is started as director and as real servers.
	Binary string
	// Outlive lets the real servers and the director live on when this process ends: for a lab that is to be
	// kept. Otherwise they die with it, however it ends.
	Outlive bool
}

// Validate fills in the defaults and says what is wrong with the rest.
func (c *Config) Validate() error {
	c.Arms = cmp.Or(c.Arms, 2)
	c.Family = cmp.Or(c.Family, IPv4)
	c.Workers = cmp.Or(c.Workers, 1)
	if c.Weights == nil {
		c.Weights = []int{1, 1, 1}
	}
	return errors.Join(c.checkMode(), c.checkArms(), c.checkFamily(), c.checkWorkers(), c.checkWeights(), c.checkBinary())
}

func (c *Config) checkMode() error {
	_, err := ParseMode(c.Mode.String())
	return err
}

func (c *Config) checkArms() error {
	if c.Arms != 1 && c.Arms != 2 {
		return fmt.Errorf("a director of %d arms cannot be built: choose 1 or 2", c.Arms)
	}
	return nil
}

func (c *Config) checkWorkers() error {
	if c.Workers < 1 || c.Workers > maxWorkers {
		return fmt.Errorf("a lab's director cannot have %d workers: choose 1 to %d", c.Workers, maxWorkers)
	}
	return nil
}

// maxWorkers bounds what a lab's memory for DPDK is enough for.
const maxWorkers = 8

func (c *Config) checkWeights() error {
	if len(c.Weights) != realServers || slices.Min(c.Weights) < 0 {
		return fmt.Errorf("the weights %v do not fit: give %d numbers of 0 or more", c.Weights, realServers)
	}
	return nil
}

func (c *Config) checkBinary() error {
	if _, err := os.Stat(c.Binary); err != nil {
		return fmt.Errorf("finding the fulcrum program for director and real servers: %w; build it with `make build`", err)
	}
	return nil
}
