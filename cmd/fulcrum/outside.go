package main

import (
	"net/http"

	"fulcrum/config"
	"fulcrum/control"
)

// open makes the director's ways to the outside: the control API, and an address for Prometheus. They are closed by stop.
func (d *director) open() (stop func() error, err error) {
	m := control.NewMetrics(d.cfg, d.engine.Report)
	metrics, err := listenMetrics(d.cfg.Metrics.Listen, m)
	if err != nil {
		return nil, err
	}
	closeAPI, err := d.serveControl(control.NewHandler(d.running, m))
	if err != nil {
		metrics.stop()
		return nil, err
	}
	if metrics != nil {
		go metrics.serve(d.log)
	}
	return func() error {
		metrics.stop()
		err := closeAPI()
		d.running.Close()
		return err
	}, nil
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
		return func() error { return nil }, nil
	}
	return nil, err
}
