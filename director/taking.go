package director

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"fulcrum/control"
)

// taking is the part in which a successor takes over: all that takes time has been done before it.
// Without a predecessor it does nothing.
type taking struct{ *Director }

func (t *taking) Start() error {
	before := t.cfg.Predecessor
	if before == nil {
		return nil
	}
	runtime.GC() // a collection at the switch would make it longer
	if err := before.Warm(); err != nil {
		return err
	}
	if err := t.cfg.Devices.(Handing).TakeOver(); err != nil {
		return err
	}
	t.engine.Reconnect()
	t.hosting.begin()
	thaw, err := t.running.Freeze(context.Background())
	if err != nil {
		return err
	}
	defer thaw()
	return t.engine.TakeOver()
}

// Stop has nothing to release.
func (t *taking) Stop() error { return nil }

// succeed tells the predecessor that this director forwards packets.
func (d *Director) succeed() error {
	if d.cfg.Predecessor == nil {
		return nil
	}
	version, commit, _ := control.Build()
	r := control.Succession{Version: version, Commit: commit, Kept: d.running.Report().Kept}
	err := d.cfg.Predecessor.Forwarding(r)
	if err != nil {
		err = errors.Join(err, d.Stop())
	}
	return err
}

// fits returns an error if this director cannot take over from its predecessor.
func (d *Director) fits() error {
	before := d.cfg.Predecessor
	if before == nil {
		return nil
	}
	if keep := d.cfg.Config.Session.Keep; keep != before.Offer.Keep {
		return fmt.Errorf("session.keep is %q, and the director that runs has %q: restart it", keep,
			before.Offer.Keep)
	}
	return nil
}

// refuse tells the predecessor why this director does not start.
func (d *Director) refuse(why error) {
	if d.cfg.Predecessor != nil {
		d.cfg.Predecessor.Fail(why)
	}
}
