package main

import (
	"errors"
	"net/http"
	"slices"

	"fulcrum/config"
	"fulcrum/control"
)

// open makes the director's ways to the outside: the control API on its socket and, if configured, over TCP, and an address for
// Prometheus. They are closed by stop.
func (d *director) open() (stop func() error, err error) {
	m := control.NewMetrics(d.cfg, d.engine.Report)
	handler := control.NewHandler(d.running, m)
	closers := closers{func() error { d.running.Close(); return nil }}
	for _, way := range []func() (func() error, error){
		func() (func() error, error) { return d.serveMetrics(m) },
		func() (func() error, error) { return d.serveRemote(handler) },
		func() (func() error, error) { return d.serveControl(handler) },
	} {
		c, err := way()
		if err != nil {
			return nil, errors.Join(err, closers.close())
		}
		closers = append(closers, c)
	}
	return closers.close, nil
}

// closers are to be called in the opposite order.
type closers []func() error

func (all closers) close() (err error) {
	for _, c := range slices.Backward(all) {
		err = errors.Join(err, c())
	}
	return err
}

// nothing is what there is to close where nothing was opened.
func nothing() error { return nil }

// serveMetrics serves Prometheus, if an address is configured.
func (d *director) serveMetrics(m *control.Metrics) (stop func() error, err error) {
	s, err := listenMetrics(d.cfg.Metrics.Listen, m)
	if s == nil {
		return nothing, err
	}
	go s.serve(d.log)
	return func() error { s.stop(); return nil }, nil
}

// serveRemote serves the control API over TCP, if that is configured.
func (d *director) serveRemote(handler http.Handler) (stop func() error, err error) {
	if !d.cfg.Control.Listen.IsValid() {
		return nothing, nil
	}
	s, err := control.ServeRemote(d.cfg.Control, handler, d.log)
	if err != nil {
		return nil, err
	}
	return s.Close, nil
}

// serveControl serves the control API until the function that it returns is called. Where nobody has given a path for its socket, a
// director does without if another one has the usual path.
func (d *director) serveControl(handler http.Handler) (stop func() error, err error) {
	s, err := control.Serve(d.cfg.Director.Control, handler, d.log)
	switch {
	case err == nil:
		return s.Close, nil
	case d.cfg.Director.Control == config.DefaultControl:
		d.log.Info("there is no control API", "reason", err)
		return nothing, nil
	}
	return nil, err
}
