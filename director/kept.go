package director

// noteKept logs what became of the sessions of the process before.
func (d *Director) noteKept() {
	k := d.running.Report().Kept
	if k == nil {
		return
	}
	for _, why := range k.Aside {
		d.cfg.Log.Warn("a kept file is not used", "reason", why)
	}
	if k.Found > 0 {
		d.cfg.Log.Info(k.String(), "took_ms", k.TookMs)
	}
}
