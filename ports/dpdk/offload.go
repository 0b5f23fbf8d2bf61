package dpdk

import (
	"strings"

	"golang.org/x/sys/unix"

	"fulcrum/ethtool"
)

// noteMerging warns about GRO. Packet sockets receive the packets that GRO has merged, and
// net_af_packet loses those above the MTU. If the interface cannot be asked, there is no note.
func (p *port) noteMerging() {
	if p.found == nil || !strings.HasPrefix(p.device.name, "net_af_packet") {
		return
	}
	gro, err := ethtool.Get(p.found.socket, p.found.current(), unix.ETHTOOL_GGRO)
	if err == nil && gro != 0 {
		name := p.found.name
		p.note("interface %s merges received packets (GRO): those above the MTU are lost "+
			"(ethtool -K %s tx off tso off gso off gro off)", name, name)
	}
}
