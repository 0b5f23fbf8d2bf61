package bench

import (
	"fmt"
	"path/filepath"
)

// Link is a virtual wire between two processes: a virtio device at the generator's end and a vhost
// device at the subject's. The vhost device copies the packets. So the subject works harder, and
// its limit is what is measured. The other way round the generator reached its limit first, at four
// fifths of this rate (docs/benchmark.md).
//
// With a library that makes packets there is no wire: the subject's device is a net_null port,
// which the library fills.
type Link struct {
	folder  string
	library string // empty if there is a wire
	frame   int    // length of the library's frames
	workers int    // of the subject, with a queue each; 0 is one
}

// descriptors is the length of the link's rings.
const descriptors = 1024

func (l Link) socket() string { return filepath.Join(l.folder, "link.sock") }

// generatorDevice returns the DPDK device of the generator's end, which has to be there first.
func (l Link) generatorDevice() string {
	return fmt.Sprintf("net_virtio_user0,path=%s,server=1,queues=1,queue_size=%d,packed_vq=1,mac=%s",
		l.socket(), descriptors, generatorMAC)
}

// subjectDevice returns the DPDK device of the subject's end.
func (l Link) subjectDevice() string {
	if l.library != "" {
		return fmt.Sprintf("net_null0,size=%d", l.frame)
	}
	return fmt.Sprintf("net_vhost0,iface=%s,client=1,queues=1", l.socket())
}
