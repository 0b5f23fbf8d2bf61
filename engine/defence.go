package engine

// Defence says when one of IPVS's defences against overload is active. The kernel goes by free
// pages; here it is how full the worker's session tables are, since their memory is taken at start.
type Defence uint8

const (
	DefenceOff  Defence = iota
	DefenceAuto         // while the worker's table of either family is nearly full
	DefenceOn
)

// A worker's table is nearly full from seven eighths on, and until it is below three quarters.
const (
	pressedFrom  = 7
	pressedUntil = 6
	eighths      = 8
)

// defend decides which TCP state table is in force.
func (w *Worker) defend() {
	active := w.isActive(w.snap.settings.SecureTCP)
	w.ways = ordinaryWays
	if active {
		w.ways = denialWays
	}
	w.published.secureTCP.Store(active)
}

// isActive reports whether a defence is to be active now.
func (w *Worker) isActive(d Defence) bool {
	limit := w.limit()
	six, all := w.sessions.LenV6(), w.sessions.Len()
	size6, size := w.sessions.CapV6(), w.sessions.Cap()
	return d == DefenceOn || d == DefenceAuto &&
		(isPressed(all-six, size-size6, limit) || isPressed(six, size6, limit))
}

// limit returns how many eighths of a table make secure_tcp active, or keep it so.
func (w *Worker) limit() int {
	if w.ways == denialWays {
		return pressedUntil
	}
	return pressedFrom
}

// isPressed reports whether a table of a size has so many eighths of it in use.
func isPressed(used, size, limit int) bool { return size > 0 && used*eighths >= size*limit }
