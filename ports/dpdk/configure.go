package dpdk

// Why this is sound: configurations passed to C hold no Go pointers, and DPDK copies them. The
// hash key that they point to is C memory and exists until the device is closed.

// #include <rte_ethdev.h>
import "C"

import (
	"fmt"
	"net"
	"syscall"
	"time"
)

// linkDeadline is how long noteLink waits for the link.
const linkDeadline = 3 * time.Second

// wantedOffloads are used where the device has them. VLAN tags stay in the packet.
const wantedOffloads = C.RTE_ETH_RX_OFFLOAD_CHECKSUM | C.RTE_ETH_RX_OFFLOAD_RSS_HASH

// configure tries the configurations of rssToTry in order, because a device may refuse the wanted
// way of spreading packets.
func (p *port) configure() *Error {
	var rc C.int
	for _, rss := range p.rssToTry() {
		if rc = p.configureWith(rss); rc == 0 {
			p.hash = rss
			return nil
		}
	}
	doing := fmt.Sprintf("configuring %d queues and an MTU of %d", p.config.Queues, p.config.MTU)
	return p.fail(doing, rc, "try fewer queues or a smaller MTU")
}

// configureWith configures the device, with RSS if rss has hash types. Drivers refuse the offload
// RSS_HASH without RSS.
func (p *port) configureWith(rss C.struct_rte_eth_rss_conf) C.int {
	var conf C.struct_rte_eth_conf
	conf.rxmode.mtu = C.uint32_t(p.config.MTU)
	conf.rxmode.offloads = p.info.rx_offload_capa & wantedOffloads
	if rss.rss_hf != 0 {
		conf.rxmode.mq_mode = C.RTE_ETH_MQ_RX_RSS
		conf.rx_adv_conf.rss_conf = rss
	} else {
		conf.rxmode.offloads &^= C.RTE_ETH_RX_OFFLOAD_RSS_HASH
	}
	n := C.uint16_t(p.config.Queues)
	return C.rte_eth_dev_configure(p.id, n, n, &conf)
}

// setUpQueues sets up all queues. It rounds descriptor counts to values that the device supports.
func (p *port) setUpQueues() *Error {
	rx, tx := C.uint16_t(p.config.RxDescriptors), C.uint16_t(p.config.TxDescriptors)
	if rc := C.rte_eth_dev_adjust_nb_rx_tx_desc(p.id, &rx, &tx); rc != 0 {
		return p.fail("adjusting descriptor counts", rc, "")
	}
	if int(rx) != p.config.RxDescriptors || int(tx) != p.config.TxDescriptors {
		p.note("the device uses %d receive and %d transmit descriptors", rx, tx)
	}
	p.queues = make([]queue, p.config.Queues)
	if p.device.isXDP() {
		before := findXDPSockets()
		defer func() { p.sockets = findXDPSockets().since(before) }()
	}
	for i := range p.queues {
		if err := p.setUpQueue(i, rx, tx); err != nil {
			return err
		}
	}
	return nil
}

func (p *port) setUpQueue(i int, rx, tx C.uint16_t) *Error {
	number, socket := C.uint16_t(i), C.uint(C.rte_eth_dev_socket_id(p.id))
	if rc := C.rte_eth_rx_queue_setup(p.id, number, rx, socket, nil, p.pool.mempool); rc != 0 {
		doing := fmt.Sprintf("setting up receive queue %d with %d descriptors and buffers of %d bytes",
			i, rx, dataRoom(p.config.MTU))
		return p.fail(doing, rc,
			"try fewer descriptors; buffers grow with the MTU, and framesz must not exceed them")
	}
	if rc := C.rte_eth_tx_queue_setup(p.id, number, tx, socket, nil); rc != 0 {
		doing := fmt.Sprintf("setting up transmit queue %d with %d descriptors", i, tx)
		return p.fail(doing, rc, "try fewer descriptors")
	}
	p.queues[i] = newQueue(p, i)
	return nil
}

// setMTU sets the MTU of the device. Some drivers ignore the MTU of configure. An interface that
// another process has opened has it already, or was given another one by the operator.
func (p *port) setMTU() *Error {
	if p.config.Beside != nil && p.found != nil {
		return nil
	}
	rc := C.rte_eth_dev_set_mtu(p.id, C.uint16_t(p.config.MTU))
	switch {
	case rc == 0:
		return nil
	case errno(int(rc)) == syscall.ENOTSUP:
		p.note("the driver cannot set the device's MTU; the director assumes %d", p.config.MTU)
		return nil
	}
	return p.fail(fmt.Sprintf("setting the MTU to %d", p.config.MTU), rc, "try a smaller MTU")
}

// listenToMulticast enables the reception of multicast, which IPv6 neighbours use to find the
// director. Unicast needs nothing: the director answers with the port's own MAC for every address.
// A driver without a multicast switch is made promiscuous.
func (p *port) listenToMulticast() *Error {
	if C.rte_eth_allmulticast_enable(p.id) == 0 {
		return nil
	}
	if C.rte_eth_promiscuous_enable(p.id) == 0 {
		p.promiscuous = true
		return nil
	}
	p.note("the driver has neither an all-multicast nor a promiscuous mode; " +
		"IPv6 neighbours may not find the director")
	return nil
}

// noteLink waits for the link until linkDeadline. It does not fail, because a director may start
// before its switch. A port that takes over does not wait.
func (p *port) noteLink() {
	if p.config.Beside != nil {
		return
	}
	if name := p.device.kernelInterface(); name != "" {
		if i, err := net.InterfaceByName(name); err == nil && i.Flags&net.FlagUp == 0 {
			p.note("interface %s is down (ip link set %s up)", name, name)
		}
	}
	for end := time.Now().Add(linkDeadline); !p.link().Up; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.note("the link is still down after %v", linkDeadline)
			return
		}
	}
}
