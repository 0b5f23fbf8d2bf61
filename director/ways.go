package director

import (
	"sync"
	"time"

	"fulcrum/control"
	"fulcrum/engine"
	"fulcrum/hostway"
	"fulcrum/lvs"
)

// ways has health checks go through the modes of services, by a host interface.
type ways struct {
	engine *engine.Engine
	by     *hostway.Interface

	mu       sync.Mutex
	reserved [2]time.Time // when by was last given what checks need, by family
}

// lookAgain is how often the interface is given what checks need, in case somebody has removed it.
const lookAgain = 10 * time.Second

// ways returns the ways by the first host interface; nil if there is none.
func (h *hosting) ways(e *engine.Engine) control.Ways {
	for _, i := range h.interfaces {
		if i != nil {
			return &ways{engine: e, by: i}
		}
	}
	return nil
}

// Open returns a way to a real server.
func (w *ways) Open(server lvs.RealServerID) (control.Way, error) {
	six := server.Service.Address.Addr().Is6()
	if err := w.reserve(six); err != nil {
		return control.Way{}, err
	}
	t, err := w.engine.OpenCheck(server)
	if err != nil {
		return control.Way{}, err
	}
	return control.Way{
		Address: t.Address, Source: hostway.CheckSource(six), Device: w.by.Name(), Close: t.Close,
	}, nil
}

func (w *ways) reserve(six bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := &w.reserved[0]
	if six {
		last = &w.reserved[1]
	}
	if now := time.Now(); now.Sub(*last) >= lookAgain {
		if err := w.by.Reserve(six); err != nil {
			return err
		}
		*last = now
	}
	return nil
}
