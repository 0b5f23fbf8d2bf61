package lab

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"fulcrum/lvs"
)

// realServers is the number of real servers of a lab unless it says otherwise.
const realServers = 3

// MaxRealServers bounds the real servers of a lab. Each is a process of its own.
const MaxRealServers = 32

// Config describes the lab to build.
type Config struct {
	// Mode is the forwarding mode of both services.
	Mode lvs.Mode
	// Family is the family of the addresses; default IPv4.
	Family Family
	// Arms is the number of the director's ports: 2 (front and back, the default) or 1 (front only).
	Arms int
	// Scheduler is the scheduler of both services.
	Scheduler lvs.Scheduler
	// Servers is the number of real servers, 1 to MaxRealServers; default 3.
	Servers int
	// Weights are the weights of the real servers in order; default 1 each.
	Weights []int
	// Workers is the number of the director's workers; default 1. They share the CPUs that this
	// process may use.
	Workers int
	// Offloads says what hosts leave to the network card that a veth pair is not; default nothing.
	Offloads Offloads
	// Host gives each of the director's ports a host interface, ful-front and ful-back, and the
	// director's namespace a default route over the first one.
	Host bool
	// KeepSessions has the director's sessions outlive its process (session.keep), in the lab's
	// folder.
	KeepSessions bool
	// Checks has the real servers of the web service checked; nil for not at all. Without Host, the
	// director's namespace then has an address on their network for the checks.
	Checks *Checks
	// Binary is the fulcrum program, started as director and as real servers.
	Binary string
	// Outlive lets the real servers and the director live on after this process, for a lab that is to
	// be kept. Otherwise they die with it, however it ends.
	Outlive bool
}

// Checks says how real servers are checked: a page is asked for.
type Checks struct {
	Interval, Timeout time.Duration
	Fall, Rise        int
	// Lines are further lines of the table [service.health].
	Lines []string
}

// Bound returns how long a real server that fails may go unnoticed.
func (c *Checks) Bound() time.Duration { return time.Duration(c.Fall)*c.Interval + c.Timeout }

// Offloads says how much work on packets the lab's hosts leave to a network card. af_packet does
// none of it.
type Offloads int

const (
	NoOffloads       Offloads = iota // hosts send finished packets
	ChecksumOffloads                 // hosts leave checksums, but no segments
	AllOffloads                      // as the kernel makes veth pairs
)

// Validate fills in the defaults and returns an error for a wrong value.
func (c *Config) Validate() error {
	c.Arms = cmp.Or(c.Arms, 2)
	c.Family = cmp.Or(c.Family, IPv4)
	c.Workers = cmp.Or(c.Workers, 1)
	c.Servers = cmp.Or(c.Servers, realServers)
	if err := c.checkServers(); err != nil {
		return err
	}
	if c.Weights == nil {
		c.Weights = slices.Repeat([]int{1}, c.Servers)
	}
	return errors.Join(c.checkMode(), c.checkArms(), c.checkFamily(), c.checkWorkers(),
		c.checkWeights())
}

func (c *Config) checkMode() error {
	_, err := ParseMode(c.Mode.String())
	return err
}

func (c *Config) checkArms() error {
	if c.Arms != 1 && c.Arms != 2 {
		return fmt.Errorf("invalid number of arms %d: choose 1 or 2", c.Arms)
	}
	return nil
}

func (c *Config) checkWorkers() error {
	if c.Workers < 1 || c.Workers > maxWorkers {
		return fmt.Errorf("invalid number of workers %d: choose 1 to %d", c.Workers, maxWorkers)
	}
	return nil
}

// maxWorkers is the number of workers for which a lab's memory for DPDK suffices.
const maxWorkers = 8

func (c *Config) checkServers() error {
	if c.Servers < 1 || c.Servers > MaxRealServers {
		return fmt.Errorf("invalid number of real servers %d: choose 1 to %d", c.Servers, MaxRealServers)
	}
	return nil
}

func (c *Config) checkWeights() error {
	if len(c.Weights) != c.Servers || slices.Min(c.Weights) < 0 {
		return fmt.Errorf("invalid weights %v: give %d numbers of 0 or more", c.Weights, c.Servers)
	}
	return nil
}

func (c *Config) checkBinary() error {
	if _, err := os.Stat(c.Binary); err != nil {
		return fmt.Errorf("finding the fulcrum program for director and real servers: %w; build it with `make build`", err)
	}
	return nil
}
