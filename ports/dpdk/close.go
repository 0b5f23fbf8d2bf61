package dpdk

// Why this is sound: the device's pointer comes from DPDK and is used while the device exists. The
// hash key is C memory. It is freed once, and the pointer is then set to nil.

// #include <stdlib.h>
// #include <rte_dev.h>
// #include <rte_ethdev.h>
import "C"

import (
	"errors"
	"slices"
)

// Close stops the port and releases the device. A capture file of net_pcap is complete only
// afterwards.
func (p *port) Close() error {
	p.eal.mu.Lock()
	defer p.eal.mu.Unlock()
	return p.close()
}

// close undoes the steps of open that were done.
func (p *port) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := errors.Join(p.stop(), p.detach(), p.releaseInterface())
	if p.pool != nil {
		p.eal.pools = append(p.eal.pools, p.pool)
		if !p.leaves {
			p.eal.freePools()
		}
		p.pool = nil
	}
	if p.claimed != nil {
		p.claimed.Close()
		p.claimed = nil
	}
	p.eal.ports = slices.DeleteFunc(p.eal.ports, func(other *port) bool { return other == p })
	return err
}

func (p *port) stop() error {
	if !p.started {
		return nil
	}
	p.started = false
	if p.promiscuous && p.found == nil && !p.leaves {
		// Without p.found, the device may use a kernel interface that its device string does not name.
		// Its flag has to be reset here.
		C.rte_eth_promiscuous_disable(p.id)
	}
	if rc := C.rte_eth_dev_stop(p.id); rc != 0 {
		return p.fail("stopping the device", rc, "")
	}
	return nil
}

// detach removes the device. Buffers in its rings go back to their pools.
func (p *port) detach() error {
	if !p.probed {
		return nil
	}
	p.probed = false
	var failed []error
	if !p.released {
		if rc := C.rte_eth_dev_close(p.id); rc != 0 {
			failed = append(failed, p.fail("closing the device", rc, ""))
		}
		p.sockets.closeLeft()
	}
	C.free(p.rssKey)
	p.rssKey = nil
	if p.info.device != nil {
		if rc := C.rte_dev_remove(p.info.device); rc != 0 {
			failed = append(failed, p.fail("removing the device", rc, ""))
		}
	}
	return errors.Join(failed...)
}
