package dpdk

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// takeQueues sets the number of queues: one for each worker, or fewer if the device has fewer.
func (p *port) takeQueues() *Error {
	has := int(min(p.info.max_rx_queues, p.info.max_tx_queues))
	switch {
	case has < 1:
		return p.config.fail("taking a queue", syscall.EINVAL,
			"the device must have at least one receive and one transmit queue"+p.queuesHint())
	case has < p.workers:
		p.config.Queues = has
		p.note("%s has only %d queues for %d workers, so workers hand packets over to each other%s",
			p.device.name, has, p.workers, p.queuesHint())
	}
	return nil
}

const socketsKey = "qpairs"

// spreadOverSockets makes net_af_packet open one socket for each queue. The kernel spreads packets
// over all sockets, so packets on a socket that no worker reads would be lost.
func (p *port) spreadOverSockets() {
	if !strings.HasPrefix(p.device.name, "net_af_packet") {
		return
	}
	text, given := p.device.args[socketsKey]
	sockets, err := strconv.Atoi(text)
	switch {
	case !given && p.workers > 1:
		p.device = p.device.with(socketsKey, strconv.Itoa(p.workers))
	case given && err == nil && sockets > p.workers:
		p.note("%s uses %s=%d instead of %d: no worker would read the others",
			p.device.name, socketsKey, p.workers, sockets)
		p.device = p.device.with(socketsKey, strconv.Itoa(p.workers))
	}
}

// with returns the device with the argument key=value in place of all arguments with that key.
func (d device) with(key, value string) device {
	words := slices.DeleteFunc(strings.Split(d.text, ","), func(word string) bool {
		return strings.HasPrefix(word, key+"=")
	})
	return parseDevice(strings.Join(append(words, key+"="+value), ","))
}
