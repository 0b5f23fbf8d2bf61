package main

import "fulcrum/control"

// open makes the director's ways to the outside: the control API, and an address for Prometheus. They are closed by stop.
func (d *director) open() (stop func(), err error) {
	m := control.NewMetrics(d.cfg, d.engine.Report)
	metrics, err := listenMetrics(d.cfg.Metrics.Listen, m)
	if err != nil {
		return nil, err
	}
	api, err := listenControl(d.cfg.Director.Control, d.log)
	if err != nil {
		metrics.stop()
		return nil, err
	}
	if metrics != nil {
		go metrics.serve(d.log)
	}
	stop = metrics.stop
	if api != nil {
		server := serveControl(api, control.NewHandler(d.cfg, d.engine, m), d.log)
		stop = func() { server.Close(); metrics.stop() }
	}
	return stop, nil
}
