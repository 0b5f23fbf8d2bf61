package sched

// Next returns the index of the first available real server after index i in the kernel's list,
// which begins anew at its end; ok is false (and the index -1) if the walk comes to start. A
// caller that begins with i = start and goes on from each result gets every other available one,
// each once. Next moves no scheduler.
func (p *Pool) Next(i, start int) (index int, ok bool) {
	for {
		if i--; i < 0 {
			i = len(p.servers) - 1
		}
		if i == start {
			return -1, false
		}
		if p.servers[i].available() {
			return i, true
		}
	}
}
