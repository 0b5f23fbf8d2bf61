package dpdk

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"fulcrum/ports"
)

// bonding forwards over a bond of two veth pairs in active-backup mode, in a namespace that ends
// with the process. net_af_packet does not report a lost link, so the bond never changes to the
// second member.
func bonding() error {
	runtime.LockOSThread()
	if _, err := netns.New(); err != nil {
		return err
	}
	var far [2]int
	for i := range far {
		var err error
		if far[i], err = bondMember(fmt.Sprintf("m%d", i)); err != nil {
			return err
		}
	}
	members := []string{"--vdev=net_af_packet10,iface=m0", "--vdev=net_af_packet11,iface=m1"}
	e, err := Start(Config{HugePages: "off", Memory: 128 << 20, Args: members})
	if err != nil {
		return err
	}
	p, err := e.OpenPort(PortConfig{
		Name:   "bond",
		Device: "net_bonding0,mode=1,slave=net_af_packet10,slave=net_af_packet11",
	})
	if err != nil {
		return errors.Join(err, e.Close())
	}
	fmt.Println("notes:", p.Notes(), "link:", p.Link(), "MTU:", p.MTU(), "queues:", p.Queues())
	return errors.Join(crossBond(p, far[0]), p.Close(), e.Close())
}

// bondMember creates a veth pair and opens a socket on its far end.
func bondMember(name string) (far int, err error) {
	pair := netlink.NewVeth(netlink.LinkAttrs{Name: name, TxQLen: 1000})
	pair.PeerName = name + "far"
	if err := netlink.LinkAdd(pair); err != nil {
		return 0, err
	}
	for _, end := range []string{name, pair.PeerName} {
		link, err := netlink.LinkByName(end)
		if err == nil {
			err = netlink.LinkSetUp(link)
		}
		if err != nil {
			return 0, err
		}
	}
	i, err := net.InterfaceByName(pair.PeerName)
	if err != nil {
		return 0, err
	}
	protocol := uint16(testEtherType>>8 | testEtherType&0xff<<8)
	far, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK, int(protocol))
	if err != nil {
		return 0, err
	}
	return far, unix.Bind(far, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: i.Index})
}

// crossBond sends frames in both directions until one has arrived at each side: at the far end of
// a member and out of the bond.
func crossBond(p ports.Port, far int) error {
	mac := p.MAC()
	outbound := frame(net.HardwareAddr{2, 0, 0, 0, 0, 9}, mac[:], "to the switch")
	inbound := frame(mac[:], net.HardwareAddr{2, 0, 0, 0, 0, 9}, "to the bond")
	sent, received := false, false
	buffer := make([]byte, 2048)
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && !(sent && received); {
		var tx, rx ports.Burst
		if p.Queue(0).Alloc(&tx, len(outbound)) {
			copy(tx.Packets[0].Bytes(), outbound)
		}
		unix.Send(far, inbound, 0)
		p.Queue(0).Exchange(&tx, nil, &rx)
		for i := range rx.Slice() {
			received = received || bytes.Equal(rx.Packets[i].Bytes(), inbound)
		}
		p.Queue(0).Exchange(nil, &tx, nil)
		p.Queue(0).Exchange(nil, &rx, nil)
		for n, err := unix.Read(far, buffer); err == nil; n, err = unix.Read(far, buffer) {
			sent = sent || bytes.Equal(buffer[:n], outbound)
		}
	}
	if !sent || !received {
		return fmt.Errorf("sent %v, received %v", sent, received)
	}
	return nil
}

func TestBonding(t *testing.T) {
	output, err := child(t, "bonding").CombinedOutput()
	t.Logf("%s", output)
	if err != nil || !strings.Contains(string(output), "link: {true") {
		t.Error(err)
	}
}
