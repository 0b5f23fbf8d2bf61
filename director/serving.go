package director

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"sync"

	"fulcrum/api"
	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/ipvs"
)

// serving is the part that serves the control API on its socket and, if configured, the control API
// and the metrics over TCP.
type serving struct {
	*Director
	metrics *control.Metrics
	handler http.Handler // of the control API

	mu     sync.Mutex   // guards the following fields
	pages  *api.Server  // of the metrics; nil without an address
	remote *api.Server  // of the control API over TCP; nil without an address
	socket *api.Server  // nil without a control API
	ipvs   *ipvs.Server // nil without a socket for IPVS's dialect
}

// answers is the part that makes what serving serves. It takes milliseconds.
type answers struct{ *serving }

func (a *answers) Start() error {
	s := a.serving
	s.metrics = control.NewMetrics(s.cfg.Config, s.engine.Report)
	s.metrics.Kernel, s.metrics.Running = s.running.Kernel, s.running
	s.handler = api.WithChecks(s.health.checks(),
		api.NewHandler(s.running, s.engine, s.metrics, s.upgrader()))
	return nil
}

// Stop has nothing to release.
func (a *answers) Stop() error { return nil }

func (s *serving) Start() (err error) {
	s.pages, err = s.serveMetrics()
	if err == nil {
		s.remote, err = s.serveRemote()
	}
	if err == nil {
		s.socket, err = s.serveSocket()
	}
	if err == nil {
		s.ipvs, err = s.serveIPVS()
	}
	if err != nil {
		return errors.Join(err, s.Stop())
	}
	return nil
}

// server is one of the servers.
type server interface {
	Close() error
	Leave() error
}

// all returns the servers that there are, in the order in which they stop. The caller holds mu.
func (s *serving) all() (list []server) {
	if s.socket != nil {
		list = append(list, s.socket)
	}
	if s.ipvs != nil {
		list = append(list, s.ipvs)
	}
	for _, one := range []*api.Server{s.remote, s.pages} {
		if one != nil {
			list = append(list, one)
		}
	}
	return list
}

func (s *serving) Stop() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all() {
		err = errors.Join(err, one.Close())
	}
	s.socket, s.ipvs, s.remote, s.pages = nil, nil, nil, nil
	return err
}

// leave leaves further clients to a successor. Requests in progress go on until Stop.
func (s *serving) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all() {
		if err := one.Leave(); err != nil {
			s.cfg.Log.Warn("leaving clients to the successor", "error", err)
		}
	}
}

// serveMetrics serves the metrics if an address is configured.
func (s *serving) serveMetrics() (*api.Server, error) {
	if at := s.cfg.Config.Metrics.Listen; at.IsValid() {
		open := s.inherited(metricsName(at.String()))
		return api.ServeMetrics(at, s.metrics, s.health.checks(), s.cfg.Log, open)
	}
	return nil, nil
}

// serveRemote serves the control API over TCP if an address is configured.
func (s *serving) serveRemote() (*api.Server, error) {
	if c := s.cfg.Config.Control; c.Listen.IsValid() {
		return api.ServeRemote(c, s.handler, s.cfg.Log, s.inherited(remoteName(c.Listen.String())))
	}
	return nil, nil
}

// serveSocket serves the control API on its socket. If the configuration has the default path and
// the socket cannot be created there, the director runs without a control API, unless the
// configuration says who may use it.
func (s *serving) serveSocket() (*api.Server, error) {
	d := &s.cfg.Config.Director
	at := api.Socket{
		Path: d.Control, Mode: d.ControlMode, Group: d.ControlGroup,
		Open: s.inherited(socketName(d.Control)),
	}
	server, err := api.ServeSocket(at, s.handler, s.cfg.Log)
	if err != nil && d.Control == config.DefaultControl && d.ControlGroup == "" {
		s.cfg.Log.Info("no control API", "reason", err)
		return nil, nil
	}
	return server, err
}

// renewSockets creates each of the sockets again if its file is gone, or could not be created
// before. Requests in progress at the former one have a second to finish.
func (s *serving) renewSockets() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := &s.cfg.Config.Director
	return errors.Join(
		renew(s.cfg.Log, "control socket", d.Control, &s.socket, s.serveSocket),
		renew(s.cfg.Log, "IPVS socket", d.IPVS, &s.ipvs, s.serveIPVS),
	)
}

// renew puts a new server in the place of one whose socket's file is gone. An empty path is no
// socket.
func renew[S interface {
	comparable
	io.Closer
}](log *slog.Logger, noun, path string, server *S, serve func() (S, error)) error {
	if _, err := os.Lstat(path); path == "" || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var none S
	next, err := serve()
	if err != nil || next == none {
		return err
	}
	former := *server
	*server = next
	log.Info("the "+noun+" was created again", "file", path)
	if former == none {
		return nil
	}
	return former.Close()
}

// serveIPVS serves the dialect of the kernel's IPVS if a socket is configured.
func (s *serving) serveIPVS() (*ipvs.Server, error) {
	d := &s.cfg.Config.Director
	if d.IPVS == "" {
		return nil, nil
	}
	listener, err := api.Listen(api.Socket{
		Path: d.IPVS, Mode: d.ControlMode, Group: d.ControlGroup, Packets: true,
		Noun: "IPVS socket", Key: "director.ipvs", Open: s.inherited(socketName(d.IPVS)),
	})
	if err != nil {
		return nil, err
	}
	return ipvs.Serve(ipvs.ServerConfig{
		Table: ipvs.NewTable(s.running, s.engine, s.cfg.Log), Listener: listener, Who: api.ActorAt,
		Log: s.cfg.Log,
	})
}
