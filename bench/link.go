package bench

import (
	"fmt"
	"path/filepath"
)

// Link is a virtual wire between two processes: a vhost device at the generator's end, which does the copying, and a
// virtio device at the subject's, which so comes as close as software can to a NIC that costs its user nothing. Of what
// DPDK has for this, virtio's packed rings gave testpmd the most; memif, with and without zero copy, and split rings
// came to between two thirds and four fifths of it (docs/benchmark.md).
type Link struct {
	folder string
}

// descriptors is the length of the link's rings.
const descriptors = 1024

func (l Link) socket() string { return filepath.Join(l.folder, "link.sock") }

// generatorDevice is the DPDK device of the end that has to be there first.
func (l Link) generatorDevice() string {
	return fmt.Sprintf("net_vhost0,iface=%s,queues=1", l.socket())
}

// subjectDevice is the DPDK device of the other end.
func (l Link) subjectDevice() string {
	return fmt.Sprintf("net_virtio_user0,path=%s,queues=1,queue_size=%d,packed_vq=1,mac=%s", l.socket(), descriptors, subjectMAC)
}

// shareable is the EAL argument that lets a process share its memory with the other end: in one piece.
const shareable = "--single-file-segments"
