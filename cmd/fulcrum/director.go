package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/engine"
	"fulcrum/ports"
	"fulcrum/ports/dpdk"
)

// director is an engine on DPDK ports.
type director struct {
	cfg    *config.Config
	log    *slog.Logger
	eal    *dpdk.EAL
	ports  []ports.Port // in the configuration's order
	engine *engine.Engine

	running *control.Running
}

// newDirector starts DPDK, opens the ports and makes the engine. On error nothing is left behind.
func newDirector(cfg *config.Config, log *slog.Logger) (*director, error) {
	d := &director{cfg: cfg, log: log}
	if err := d.start(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *director) start() error {
	ec, err := control.EngineConfig(d.cfg)
	if err != nil {
		return err
	}
	settings, err := control.EngineSettings(d.cfg)
	if err != nil {
		return err
	}
	if err := d.startDPDK(); err != nil {
		return err
	}
	if err := d.openPorts(); err != nil {
		return err
	}
	ec.Ports = d.ports
	ec.EnterThread, ec.LeaveThread = d.eal.RegisterThread, d.eal.UnregisterThread
	if d.engine, err = engine.New(ec, settings); err != nil {
		return err
	}
	d.note(d.engine.Notes())
	d.running = control.NewRunning(d.engine, d.cfg)
	d.running.Log = d.log
	return nil
}

func (d *director) startDPDK() error {
	main, err := mainCPU(d.cfg.Director.Workers)
	if err != nil {
		return err
	}
	c := dpdk.Config{HugePages: d.cfg.DPDK.HugePages, Memory: d.cfg.DPDK.Memory, Args: d.cfg.DPDK.Args, CPU: main}
	for _, shared := range devices(d.cfg.Ports) {
		c.Devices = append(c.Devices, shared.Device)
	}
	if d.eal, err = dpdk.Start(c); err != nil {
		return err
	}
	d.note(d.eal.Notes())
	d.note(sharedCPUs(d.cfg.Director.Workers))
	return nil
}

// sharedCPUs says which CPUs several workers have to share.
func sharedCPUs(workers []int) []string {
	workersOn := map[int]int{}
	for _, cpu := range workers {
		workersOn[cpu]++
	}
	var notes []string
	for _, cpu := range slices.Sorted(maps.Keys(workersOn)) {
		if n := workersOn[cpu]; n > 1 {
			notes = append(notes, fmt.Sprintf("%d workers share CPU %d, where each waits for the others; give every worker a CPU of its own", n, cpu))
		}
	}
	return notes
}

// mainCPU returns the CPU for DPDK's main lcore, which does no work: one that no worker has, if there is one. Workers'
// CPUs that cannot be used are an error here, before any device is opened.
func mainCPU(workers []int) (int, error) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return 0, fmt.Errorf("find out which CPUs may be used: %w", err)
	}
	for _, w := range workers {
		if !allowed.IsSet(w) {
			return 0, fmt.Errorf("run a worker on CPU %d: this process may not use it, or it does not exist; "+
				"name another one in director.workers (taskset -cp $$ shows which may be used)", w)
		}
	}
	return freeCPU(allowed, workers), nil
}

// freeCPU returns an allowed CPU without a worker or, if there is none, the first worker's.
func freeCPU(allowed unix.CPUSet, workers []int) int {
	for _, w := range workers {
		allowed.Clear(w)
	}
	for cpu := range len(allowed) * 64 {
		if allowed.IsSet(cpu) {
			return cpu
		}
	}
	return workers[0]
}

func (d *director) note(notes []string) {
	for _, n := range notes {
		d.log.Info(n)
	}
}

// close gives everything back: sessions, ports and DPDK.
func (d *director) close() error {
	var err error
	if d.engine != nil {
		err = d.engine.Close()
	}
	for _, p := range d.ports {
		if p != nil {
			err = errors.Join(err, p.Close())
		}
	}
	if d.eal != nil {
		err = errors.Join(err, d.eal.Close())
	}
	return err
}
