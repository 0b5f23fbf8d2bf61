package dpdk

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"fulcrum/ports"
)

const besideVariable = "FULCRUM_DPDK_BESIDE"

// beside takes a packet socket's port over from the process that started it: it opens the port, and
// does what the lines of its input say.
func beside() error {
	var b Before
	if err := json.Unmarshal([]byte(os.Getenv(besideVariable)), &b); err != nil {
		return err
	}
	e, err := Start(Config{HugePages: "off", Memory: 64 << 20})
	if err != nil {
		return err
	}
	p, err := e.OpenPort(PortConfig{
		Name: "front", Device: "net_af_packet0,iface=near", Beside: &b, Claim: os.NewFile(3, "claim"),
	})
	if err != nil {
		return errors.Join(err, e.Close())
	}
	fmt.Println("open", p.Before().MAC == b.MAC && p.Queues() == b.Queues,
		*p.Before().Interface)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		switch lines.Text() {
		case "drain":
			n := ports.Drain(p)
			err = errors.Join(err, p.Recount())
			s, _ := p.Stats()
			fmt.Println("drained", n > 0, s.RxPackets)
		case "stats":
			for s, _ := p.Stats(); s.RxPackets == 0; s, _ = p.Stats() {
				ports.Drain(p)
			}
			fmt.Println("received")
		}
	}
	return errors.Join(err, p.Close(), e.Close())
}

// successor is a child that does what it is told, a line at a time.
type successor struct {
	t      *testing.T
	input  io.Writer
	output *bufio.Reader
}

func (s *successor) want(line string) {
	s.t.Helper()
	if got, err := s.output.ReadString('\n'); strings.TrimSpace(got) != line {
		s.t.Fatalf("the child says %q (%v); want %q", got, err, line)
	}
}

func (s *successor) tell(line, answer string) {
	s.t.Helper()
	fmt.Fprintln(s.input, line)
	s.want(answer)
}

// TestPacketSocketIsTakenOver: both processes have the port open, the second one goes on with the
// interface as it is, and restores what the first one has found.
func TestPacketSocketIsTakenOver(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		setInterface(t, near.Name, 9000, unix.IFF_ALLMULTI)
		c := PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name}
		p := open(t, c)
		mtu, flags := driverFlagsOf(t, near.Name)
		with := takeOver(t, p, c)

		cmd := child(t, "beside")
		told, _ := json.Marshal(with.Beside)
		cmd.Env = append(cmd.Env, besideVariable+"="+string(told))
		cmd.ExtraFiles, cmd.Stderr = []*os.File{with.Claim}, os.Stderr
		input, _ := cmd.StdinPipe()
		output, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s := &successor{t, input, bufio.NewReader(output)}
		s.want(fmt.Sprintf("open true {%d 9000 false true}", near.Index))
		wantInterface(t, near.Name, mtu, flags)

		peer := packetSocket(t, far)
		inbound := frame(near.HardwareAddr, far.HardwareAddr, "to both")
		if err := unix.Send(peer, inbound, 0); err != nil {
			t.Fatal(err)
		}
		rx := receive(t, p.Queue(0), isTestFrame)
		p.Queue(0).Exchange(nil, &rx, nil)

		with.Claim.Close()
		if err := sharedEAL(t).Leave(p); err != nil {
			t.Fatal(err)
		}
		wantInterface(t, near.Name, mtu, flags)
		if _, err := sharedEAL(t).OpenPort(c); !errors.Is(err, syscall.EBUSY) {
			t.Errorf("the interface is free for others: %v", err)
		}
		s.tell("drain", "drained true 0")
		if err := unix.Send(peer, inbound, 0); err != nil {
			t.Fatal(err)
		}
		s.tell("stats", "received")
		input.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		wantInterface(t, near.Name, 9000, unix.IFF_ALLMULTI)
	})
}

// takeXDP opens both interfaces with net_af_xdp and takes them over several times. Its kernel frees
// a queue some time after its socket was closed.
func takeXDP() error {
	e, err := Start(Config{HugePages: "off", Memory: 256 << 20})
	if err != nil {
		return err
	}
	all := []PortConfig{
		{Name: "near", Device: "net_af_xdp0,iface=near"}, {Name: "far", Device: "net_af_xdp1,iface=far"},
	}
	for range 4 {
		var opened []Port
		for i := range all {
			p, err := e.OpenPort(all[i])
			if err != nil {
				return err
			}
			b := p.Before()
			opened, all[i].Beside = append(opened, p), &b
			if all[i].Claim == nil {
				if all[i].Claim, err = p.Claim(); err != nil {
					return err
				}
			}
		}
		if err := moves(opened[0], opened[1]); err != nil {
			return err
		}
		if err := e.Leave(opened...); err != nil {
			return err
		}
		for _, c := range all {
			if err := e.Prepare(c); err != nil {
				return err
			}
		}
		if left := findXDPSockets(); len(left) > 0 {
			return fmt.Errorf("open are %v", left)
		}
	}
	return e.Close()
}

// moves sends a frame until it arrives.
func moves(from, to Port) error {
	var tx, rx ports.Burst
	for range 1 << 20 {
		if !from.Queue(0).Alloc(&tx, 60) {
			return errors.New("no buffer")
		}
		copy(tx.Packets[0].Bytes(), frame(net.HardwareAddr{6, 5: 1}, net.HardwareAddr{2, 5: 2}, "xdp"))
		from.Queue(0).Exchange(&tx, nil, nil)
		from.Queue(0).Exchange(nil, &tx, nil)
		to.Queue(0).Exchange(nil, nil, &rx)
		for i := range rx.Slice() {
			if isTestFrame(&rx.Packets[i]) {
				to.Queue(0).Exchange(nil, &rx, nil)
				return nil
			}
		}
		to.Queue(0).Exchange(nil, &rx, nil)
	}
	return errors.New("no frame arrives")
}

// TestXDPIsTakenOver: a port of net_af_xdp can be opened again once it was left, and moves packets.
// The interface is the first port's until then.
func TestXDPIsTakenOver(t *testing.T) {
	inVeth(t, func(near, _ *net.Interface) {
		c := child(t, "xdp")
		if output, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, output)
		}
	})
}
