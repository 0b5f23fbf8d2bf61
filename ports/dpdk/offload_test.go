package dpdk

import (
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fulcrum/ethtool"
)

// Merged packets are longer than the MTU and would be lost silently.
func TestMergingIsNoted(t *testing.T) {
	for name, gro := range map[string]uint32{"on": 1, "off": 0} {
		t.Run(name, func(t *testing.T) {
			inVeth(t, func(near, far *net.Interface) {
				setGRO(t, near.Name, gro)
				p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name})
				defer p.Close()
				notes := strings.Join(p.Notes(), "\n")
				noted := strings.Contains(notes, "ethtool -K near tx off tso off gso off gro off")
				if noted != (gro == 1) {
					t.Errorf("notes are:\n%s", notes)
				}
			})
		})
	}
}

func setGRO(t *testing.T, name string, on uint32) {
	t.Helper()
	i, err := findInterface(name)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(i.socket)
	if err := ethtool.Set(i.socket, name, unix.ETHTOOL_SGRO, on); err != nil {
		t.Fatal(err)
	}
	if v, err := ethtool.Get(i.socket, name, unix.ETHTOOL_GGRO); err != nil || v != on {
		t.Fatalf("GRO is %d, %v", v, err)
	}
}
