package bench

import (
	"fmt"
	"path/filepath"
)

// Link is a virtual wire between two processes: a virtio device at the generator's end, and a vhost device, which does the
// copying, at the subject's. So the subject is the one that works harder, and what is measured is its limit rather than the
// generator's; the other way round the generator gave out first, at four fifths of this (docs/benchmark.md).
type Link struct {
	folder string
}

// descriptors is the length of the link's rings.
const descriptors = 1024

func (l Link) socket() string { return filepath.Join(l.folder, "link.sock") }

// generatorDevice is the DPDK device of the end that has to be there first.
func (l Link) generatorDevice() string {
	return fmt.Sprintf("net_virtio_user0,path=%s,server=1,queues=1,queue_size=%d,packed_vq=1,mac=%s", l.socket(), descriptors, generatorMAC)
}

// subjectDevice is the DPDK device of the other end.
func (l Link) subjectDevice() string {
	return fmt.Sprintf("net_vhost0,iface=%s,client=1,queues=1", l.socket())
}
