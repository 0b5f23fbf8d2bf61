package ports

// drainRounds bounds Drain under traffic that never ends: 32768 packets of each queue, the longest
// ring that is configured.
const drainRounds = 32768 / MaxBurst

// Drain receives and frees what waits in the receive queues of the ports, and returns the number of
// packets. It ends after a round over all queues without any packet. No worker may use the ports.
// All logical ports of a device must be drained together, because they share its queues.
func Drain(all ...Port) int {
	var rx Burst
	total := 0
	for range drainRounds {
		n := 0
		for _, p := range all {
			for i := range p.Queues() {
				n += drainOnce(p.Queue(i), &rx)
			}
		}
		if n == 0 {
			break
		}
		total += n
	}
	return total
}

func drainOnce(q Queue, rx *Burst) int {
	q.Exchange(nil, nil, rx)
	n := rx.N
	q.Exchange(nil, rx, nil)
	return n
}
