package dpdk

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// takeQueues takes as many queues as the device has, up to one for each worker.
func (p *port) takeQueues() *Error {
	has := int(min(p.info.max_rx_queues, p.info.max_tx_queues))
	switch {
	case has < 1:
		return p.config.fail("asking for a queue", syscall.EINVAL, "the device has none of both kinds"+p.queuesHint())
	case has < p.workers:
		p.config.Queues = has
		p.note("%s has %d of the queues that %d workers want, so that packets are handed over between them%s",
			p.device.name, has, p.workers, p.queuesHint())
	}
	return nil
}

const socketsKey = "qpairs"

// spreadOverSockets has net_af_packet open a socket for each queue. The kernel spreads packets over all of them, so that
// those are lost that reach one which nobody reads.
func (p *port) spreadOverSockets() {
	if !strings.HasPrefix(p.device.name, "net_af_packet") {
		return
	}
	text, given := p.device.args[socketsKey]
	sockets, err := strconv.Atoi(text)
	switch {
	case !given && p.workers > 1:
		p.device = p.device.with(socketsKey, p.workers)
	case given && err == nil && sockets > p.workers:
		p.note("%s gets %s=%d instead of %d: nobody would read the others", p.device.name, socketsKey, p.workers, sockets)
		p.device = p.device.with(socketsKey, p.workers)
	}
}

// with is the device with an argument in the place of all that have its key.
func (d device) with(key string, value int) device {
	words := slices.DeleteFunc(strings.Split(d.text, ","), func(word string) bool { return strings.HasPrefix(word, key+"=") })
	return parseDevice(strings.Join(append(words, key+"="+strconv.Itoa(value)), ","))
}
