package main

import (
	"errors"
	"log/slog"

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
	if err := d.startDPDK(); err != nil {
		return err
	}
	if err := d.openPorts(); err != nil {
		return err
	}
	ec := control.EngineConfig(d.cfg)
	ec.Ports = d.ports
	ec.EnterThread, ec.LeaveThread = d.eal.RegisterThread, d.eal.UnregisterThread
	var err error
	if d.engine, err = engine.New(ec, control.EngineSettings(d.cfg)); err != nil {
		return err
	}
	d.note(d.engine.Notes())
	d.running = control.NewRunning(d.engine, d.cfg)
	d.running.Log = d.log
	return nil
}

func (d *director) startDPDK() error {
	workers := d.cfg.Director.Workers
	others, err := otherCPUs(workers)
	if err != nil {
		return err
	}
	if err := leaveToWorkers(others, workers); err != nil {
		return err
	}
	c := dpdk.Config{HugePages: d.cfg.DPDK.Hugepages, Memory: d.cfg.DPDK.Memory, Args: d.cfg.DPDK.Args, CPU: mainCPU(others, workers)}
	for _, shared := range devices(d.cfg.Ports) {
		c.Devices = append(c.Devices, shared.Device)
	}
	if d.eal, err = dpdk.Start(c); err != nil {
		return err
	}
	d.note(d.eal.Notes())
	d.note(sharedCPUs(workers))
	return nil
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
