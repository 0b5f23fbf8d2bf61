package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/ipv6"

	"fulcrum/api"
	"fulcrum/control"
	"fulcrum/lab"
	"fulcrum/lvs"
)

// hostBed is a lab whose director's ports have host interfaces. Programs run in the director's
// namespace, which has no other way to the network.
type hostBed struct{ *bed }

func newHostBed(t *testing.T, c lab.Config) *hostBed {
	t.Helper()
	c.Host = true
	return &hostBed{newBed(t, c)}
}

// needProgram skips a test without a program of third_party/packages.
func needProgram(t *testing.T, name string) {
	t.Helper()
	_, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("CI has to have %s: third_party/install.sh", name)
	default:
		t.Skipf("%s is not there: third_party/install.sh", name)
	}
}

// command prepares a command line of the shell in a host of the lab.
func (b *hostBed) command(role, line string) *exec.Cmd {
	return exec.CommandContext(b.t.Context(), "ip", "netns", "exec", "fulcrum-"+b.ID()+"-"+role, "sh",
		"-c", line)
}

// run runs a command line, which must succeed, and returns its output.
func (b *hostBed) run(role, line string) string {
	b.t.Helper()
	out, err := b.command(role, line).CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s: %s: %v\n%s", role, line, err, out)
	}
	return string(out)
}

// daemon runs a command line until the test ends.
func (b *hostBed) daemon(role, line string) *output {
	b.t.Helper()
	c, said := b.command(role, "exec "+line), &output{}
	c.Stdout, c.Stderr = said, said
	if err := c.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = c.Process.Kill() // it may have ended
		_ = c.Wait()
		if b.t.Failed() {
			b.t.Logf("%s: %s:\n%s", role, line, said)
		}
	})
	return said
}

// listen listens in a host of the lab. The listener's goroutines may be anywhere.
func (b *hostBed) listen(role string, at netip.AddrPort) net.Listener {
	b.t.Helper()
	var l net.Listener
	b.inside(role, func() (err error) {
		l, err = net.Listen("tcp", at.String())
		return err
	})
	b.t.Cleanup(func() { l.Close() })
	return l
}

// serveBytes serves so many bytes to GET, and answers anything that is sent with its checksum.
func (b *hostBed) serveBytes(role string, at netip.AddrPort, size int) {
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(i * i >> 7)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = w.Write(body) // a client that ends too early notices
			return
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%x", sum.Sum(nil))
	})}
	l := b.listen(role, at)
	go func() { _ = s.Serve(l) }() // it ends with the test
	b.t.Cleanup(func() { s.Close() })
}

// own returns the director's address on the port front, and a client's.
func (b *hostBed) own() netip.Addr     { return b.PortAddress("front") }
func (b *hostBed) client1() netip.Addr { return b.Clients()[0] }

// hostPort returns what the director says of the host interface of front.
func (b *hostBed) hostPort() control.PortHost {
	b.t.Helper()
	all := b.statusOf().PortHosts
	if len(all) == 0 || all[0].Port != "front" {
		b.t.Fatalf("host interfaces %+v", all)
	}
	return all[0]
}

func (b *hostBed) statusOf() (s api.Status) {
	b.t.Helper()
	err := api.NewClient(b.ControlSocket()).Do(b.t.Context(), http.MethodGet, "status", nil, &s)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// apply applies the lab's configuration with more text at its end.
func (b *hostBed) apply(change func(text string) string) {
	b.t.Helper()
	text, err := os.ReadFile(b.directorFile())
	if err != nil {
		b.t.Fatal(err)
	}
	var plan control.Plan
	err = api.NewClient(b.ControlSocket()).Do(b.t.Context(), http.MethodPost, "apply",
		[]byte(change(string(text))), &plan)
	if err != nil {
		b.t.Fatal(err)
	}
}

// families runs a test in a lab of either family.
func families(t *testing.T, workers int, test func(t *testing.T, b *hostBed)) {
	for _, family := range []lab.Family{lab.IPv4, lab.IPv6} {
		t.Run(family.String(), func(t *testing.T) {
			t.Parallel()
			test(t, newHostBed(t, lab.Config{Mode: lvs.FullNAT, Family: family, Workers: workers}))
		})
	}
}

// TestHostPing: the director answers pings to the port's address, once each, and the host pings
// what is on the link and behind the router.
func TestHostPing(t *testing.T) {
	needProgram(t, "busybox")
	families(t, 1, func(t *testing.T, b *hostBed) {
		for role, to := range map[string][]netip.Addr{
			"client": {b.own()}, "director": {b.client1(), b.RealServers()[0].Web.Addr()},
		} {
			for _, a := range to {
				out := b.run(role, fmt.Sprintf("busybox ping -c 3 -W 10 %s", a))
				if !strings.Contains(out, "3 packets transmitted, 3 packets received, 0%") ||
					strings.Contains(out, "DUP") {
					t.Errorf("%s pings %s:\n%s", role, a, out)
				}
			}
		}
		b.stopDirector()
	})
}

// TestHostHTTP: large bodies pass between the host's programs and clients, in both directions and
// at once, while clients of the VIP are served. tcpdump sees them at the host interface.
func TestHostHTTP(t *testing.T) {
	needProgram(t, "curl")
	families(t, 2, func(t *testing.T, b *hostBed) {
		const size = 24 << 20
		served := map[string]netip.AddrPort{
			"client":   netip.AddrPortFrom(b.own(), 8080), // asks the director's host
			"director": netip.AddrPortFrom(b.client1(), 8080),
		}
		b.serveBytes("director", served["client"], size)
		b.serveBytes("client", served["director"], size)
		dump := b.daemon("director", "tcpdump -i ful-front -n -l -c 20 tcp port 8080")
		eventually(t, "tcpdump", func() bool { return strings.Contains(dump.String(), "listening on") })
		stop := b.background()
		done := make(chan error, 4)
		for role, at := range served {
			go func() { done <- b.download(role, at, size) }()
			go func() { done <- b.upload(role, at, size) }()
		}
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		stop()
		same(t, "answers at the VIP", len(b.get(30)), 30)
		eventually(t, "20 packets in tcpdump", func() bool {
			return strings.Contains(dump.String(), "20 packets captured")
		})
		h := b.hostPort()
		if !h.Up || h.Name != "ful-front" || h.ToHostBytes < 2*size || h.FromHostBytes < 2*size {
			t.Errorf("%+v", h)
		}
		text, _ := ask(t, 0, "status", "--socket", b.ControlSocket())
		if want := "host interface ful-front: up, "; !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
		// host_full: the thread of the host waits for a CPU that the test uses.
		b.checkOnlyDrops(b.stopDirector(), "host_full")
	})
}

func (b *hostBed) download(role string, from netip.AddrPort, size int) error {
	line := fmt.Sprintf("curl -gsS -m 50 http://%s/ | wc -c", from)
	out, err := b.command(role, line).CombinedOutput()
	if n := strings.TrimSpace(string(out)); err != nil || n != fmt.Sprint(size) {
		return fmt.Errorf("%s: %s: %v, %s bytes", role, line, err, n)
	}
	return nil
}

func (b *hostBed) upload(role string, to netip.AddrPort, size int) error {
	line := fmt.Sprintf("head -c %d /dev/zero | curl -gsS -m 50 -T - -H Expect: http://%s/x", size, to)
	out, err := b.command(role, line).CombinedOutput()
	if want := fmt.Sprintf("%x", sha256.Sum256(make([]byte, size))); err != nil || string(out) != want {
		return fmt.Errorf("%s: %s: %v, %s, want %s", role, line, err, out, want)
	}
	return nil
}

// TestHostSSH: an SSH server on the host runs a client's command.
func TestHostSSH(t *testing.T) {
	for _, program := range []string{"dropbear", "dropbearkey", "dbclient"} {
		needProgram(t, program)
	}
	families(t, 1, func(t *testing.T, b *hostBed) {
		folder := t.TempDir()
		b.run("director", "dropbearkey -t ed25519 -f "+folder+"/host && "+
			"dropbearkey -t ed25519 -f "+folder+"/user")
		said := b.sshServer(folder)
		eventually(t, "an SSH server", func() bool {
			return strings.Contains(said.String(), "Not backgrounding")
		})
		const line = "dbclient -y -y -i %s/user -l root %s 'echo there; head -c 3000000 /dev/zero | wc -c'"
		out := b.run("client", fmt.Sprintf(line+" 2>/dev/null", folder, b.own()))
		same(t, "the command's output", strings.Fields(out), []string{"there", "3000000"})
		b.stopDirector()
	})
}

// sshServer starts an SSH server in the director's namespace. It reads the keys of a folder in
// place of root's home.
func (b *hostBed) sshServer(folder string) *output {
	b.t.Helper()
	b.run("director", fmt.Sprintf("mkdir -m 700 %[1]s/.ssh && dropbearkey -y -f %[1]s/user | "+
		"grep ^ssh- > %[1]s/.ssh/authorized_keys && chmod 600 %[1]s/.ssh/authorized_keys", folder))
	passwd := writeFile(b.t, "passwd", "root:x:0:0:root:"+folder+":/bin/sh\n")
	return b.daemon("director", fmt.Sprintf("unshare --mount sh -c 'mount --bind %s /etc/passwd && "+
		"exec dropbear -F -E -s -r %s/host -P %s/pid -p %s'", passwd, folder, folder,
		netip.AddrPortFrom(b.own(), 22)))
}

// TestHostIsTheOnlyWay: what is for the host comes to it once, although the kernel sees the
// interface below too. While that has addresses, the director says so and leaves it alone.
func TestHostIsTheOnlyWay(t *testing.T) {
	t.Parallel()
	b := newHostBed(t, lab.Config{Mode: lvs.NAT, Arms: 1})
	var socket net.PacketConn
	b.inside("director", func() (err error) {
		socket, err = net.ListenPacket("udp", netip.AddrPortFrom(b.own(), 9).String())
		return err
	})
	defer socket.Close()
	got := make(chan string, 100)
	go func() {
		data := make([]byte, 100)
		for {
			n, _, err := socket.ReadFrom(data)
			if err != nil {
				close(got)
				return
			}
			got <- string(data[:n])
		}
	}()
	for _, text := range []string{"one", "two", "three"} {
		b.sendTo(text)
		same(t, "what the host got", await1(t, got), text)
	}
	const warning = "front below it has addresses as well as ful-front, 10.0.0.77"
	b.run("director", "ip address add 10.0.0.77/24 dev front")
	says := func() bool {
		return slices.ContainsFunc(b.statusOf().PortWarnings, func(w control.PortWarning) bool {
			return strings.Contains(w.Warning, warning)
		})
	}
	eventually(t, "a warning", says)
	if !strings.Contains(b.Log("director"), warning) {
		t.Error("the log does not say so")
	}
	b.run("director", "ip address del 10.0.0.77/24 dev front")
	eventually(t, "an end of the warning", func() bool { return !says() })
	b.sendTo("four")
	same(t, "what the host got", await1(t, got), "four")
	b.run("director", "ip link set ful-front down")
	eventually(t, "a warning about the host interface", func() bool {
		text, _ := ask(t, 0, "status", "--socket", b.ControlSocket())
		return strings.Contains(text, "its host interface ful-front is down or gone")
	})
	b.stopDirector()
}

func (b *hostBed) sendTo(text string) {
	b.t.Helper()
	b.inside("client", func() error {
		conn, err := net.Dial("udp", netip.AddrPortFrom(b.own(), 9).String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte(text))
		return err
	})
}

func await1(t *testing.T, from <-chan string) string {
	t.Helper()
	select {
	case text := <-from:
		return text
	case <-time.After(patience):
		t.Fatal("the host got nothing")
		return ""
	}
}

// TestHostSurvives: a host interface, with what an operator has set up there and a connection over
// it, survives a director that is killed, and one that is stopped.
func TestHostSurvives(t *testing.T) {
	families(t, 1, func(t *testing.T, b *hostBed) {
		other, route := "10.7.7.7/32", "10.8.0.0/16"
		if b.own().Is6() {
			other, route = "fd07::7/128 nodad", "fd08::/64"
		}
		b.run("director", fmt.Sprintf("ip address add dev ful-front %s; ip route add %s via %s", other,
			route, b.RealServers()[0].Web.Addr()))
		state := func() string {
			return b.run("director", "ip -o address show dev ful-front scope global |"+
				"sed 's/valid_lft.*//'; ip -4 route; ip -6 route show dev ful-front;"+
				"ip -o link show ful-front | cut -d: -f1")
		}
		before := state()
		conn, served := b.connection()
		defer conn.Close()
		for name, end := range map[string]func(){
			"killed": func() {
				if err := b.KillDirector(); err != nil {
					t.Fatal(err)
				}
			},
			"stopped": func() { b.stopDirector() },
		} {
			end()
			if _, err := conn.Write([]byte(name)); err != nil {
				t.Fatal(err)
			}
			b.startDirector()
			got := make([]byte, len(name))
			_ = served.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.ReadFull(served, got); err != nil || string(got) != name {
				t.Errorf("after a director was %s the connection brings %q, %v", name, got, err)
			}
			same(t, "the host interface after a director was "+name, state(), before)
		}
		b.stopDirector()
	})
}

// connection returns a client's connection to the host, at both ends.
func (b *hostBed) connection() (client, served net.Conn) {
	b.t.Helper()
	at := netip.AddrPortFrom(b.own(), 8022)
	l := b.listen("director", at)
	b.inside("client", func() (err error) {
		client, err = net.DialTimeout("tcp", at.String(), patience)
		return err
	})
	served, err := l.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { served.Close() })
	return client, served
}

// TestHostFollowsAddresses: the host interface gets the addresses that a change gives the port,
// and is made again with them if it is deleted. A port that gives its host interface up
// leaves it.
func TestHostFollowsAddresses(t *testing.T) {
	t.Parallel()
	b := newHostBed(t, lab.Config{Mode: lvs.DR, Arms: 1})
	addresses := func() []string {
		var all []string
		b.inside("director", func() error {
			l, err := netlink.LinkByName("ful-front")
			if err != nil {
				return nil // it is just being made again
			}
			list, err := netlink.AddrList(l, netlink.FAMILY_V4)
			for _, a := range list {
				all = append(all, a.IPNet.String())
			}
			return err
		})
		return all
	}
	has := func(want ...string) {
		t.Helper()
		eventually(t, fmt.Sprint("addresses ", want), func() bool { return slices.Equal(addresses(), want) })
	}
	has("10.0.0.1/24")
	b.apply(func(text string) string {
		return strings.Replace(text, `["10.0.0.1/24"]`, `["10.0.0.1/24", "10.6.0.1/24"]`, 1)
	})
	has("10.0.0.1/24", "10.6.0.1/24")
	b.run("director", "ip link del ful-front")
	has("10.0.0.1/24", "10.6.0.1/24")
	eventually(t, "a word in the log", func() bool {
		return strings.Contains(b.Log("director"), "the host interface was made again")
	})
	b.apply(func(text string) string { return text })
	has("10.0.0.1/24")
	b.stopDirector()
	text, err := os.ReadFile(b.directorFile())
	if err != nil {
		t.Fatal(err)
	}
	without := strings.Replace(string(text), `host      = "ful-front"`, "", 1)
	p := b.second("run", "--config", writeFile(t, "without.toml", without)).awaitReady()
	if want := "ip tuntap del dev ful-front mode tap"; !strings.Contains(p.stderr.String(), want) {
		t.Errorf("no %q in\n%s", want, p.stderr.String())
	}
	b.run("director", "ip link show ful-front && ip tuntap del dev ful-front mode tap")
	p.signal(os.Interrupt)
	same(t, "exit status", p.end(), 0)
}

// TestHostInterfaceIsTaken: a director does not start with the name of an interface of another
// type.
func TestHostInterfaceIsTaken(t *testing.T) {
	t.Parallel()
	b := newHostBed(t, lab.Config{Mode: lvs.DR, Arms: 1})
	b.stopDirector()
	b.run("director", "ip link del ful-front; ip link add ful-front type veth peer name ful-peer")
	p := b.second("run", "--config", b.directorFile())
	p.refused(1, `port "front"`, "host interface ful-front", "is no TAP, but of type veth")
	p.checkNothingLeft()
	b.run("director", "ip link show ful-front | grep -q ful-peer")
}

// TestHostBGP: a routing daemon on the host has a session with the router, which then reaches a VIP
// by the route that it announces. The session survives a restart of the director.
func TestHostBGP(t *testing.T) {
	needProgram(t, "bird")
	needProgram(t, "birdc")
	families(t, 1, func(t *testing.T, b *hostBed) {
		vip, bits := "192.0.2.10", 32
		if b.own().Is6() {
			vip, bits = "2001:db8::10", 128
		}
		b.apply(func(text string) string { return text + b.serviceAt(vip) })
		router := b.run("router", "ip -o address show dev br-front scope global | "+
			"sed -n 's/.*inet6\\? \\([^/ ]*\\).*/\\1/p;T;q'")
		own := netip.PrefixFrom(netip.MustParseAddr(vip), bits).String()
		there := b.bird("director", b.own().String(), strings.TrimSpace(router), own)
		here := b.bird("router", strings.TrimSpace(router), b.own().String(), "")
		session := func(folder string) string {
			out, _ := exec.Command("birdc", "-s", folder+"/ctl", "show protocols").Output()
			for line := range strings.Lines(string(out)) {
				if strings.HasPrefix(line, "peer ") && strings.Contains(line, "Established") {
					return line // with the time since when
				}
			}
			return ""
		}
		eventually(t, "a BGP session", func() bool { return session(here) != "" && session(there) != "" })
		eventually(t, "an answer of the VIP", func() bool {
			out, err := b.command("client", "curl -gsS -m 2 http://"+netip.AddrPortFrom(
				netip.MustParseAddr(vip), 80).String()+"/").CombinedOutput()
			return err == nil && len(out) > 0
		})
		since := session(here)
		b.stopDirector()
		b.startDirector()
		b.apply(func(text string) string { return text + b.serviceAt(vip) })
		same(t, "answers after a restart", len(b.get(6)), 6)
		eventually(t, "the host's way", func() bool {
			return b.command("director", "busybox ping -c 1 -W 1 "+strings.TrimSpace(router)).Run() == nil
		})
		same(t, "the BGP session", session(here), since)
		b.stopDirector()
	})
}

// serviceAt returns a service at another VIP than the lab's, with the lab's real servers.
func (b *hostBed) serviceAt(vip string) string {
	at := netip.AddrPortFrom(netip.MustParseAddr(vip), 80)
	text := fmt.Sprintf("[[service]]\nname = \"announced\"\naddress = %q\nprotocol = \"tcp\"\n"+
		"mode = \"fullnat\"\nlocal_addresses = [%q]\n", at, b.LocalAddresses()[0])
	for _, rs := range b.RealServers() {
		text += fmt.Sprintf("  [[service.real_server]]\n  address = %q\n", rs.Web)
	}
	return text
}

// bird starts a routing daemon with one peer. It announces a prefix, if one is given, and gives its
// kernel what it hears. It returns the daemon's folder.
func (b *hostBed) bird(role, own, peer, announces string) string {
	b.t.Helper()
	folder, family := b.t.TempDir(), "ipv4"
	if strings.Contains(own, ":") {
		family = "ipv6"
	}
	as := 65001 // of the director
	if role == "router" {
		as = 65002
	}
	text := fmt.Sprintf("router id 10.0.0.%d;\nprotocol device { scan time 1; }\n"+
		"protocol kernel { %s { export where source = RTS_BGP; }; }\n"+
		"protocol static { %[2]s; ", 1+len(announces), family)
	if announces != "" {
		text += "route " + announces + " blackhole; "
	}
	text += fmt.Sprintf("}\nprotocol bgp peer { local %s as %d; neighbor %s as %d; "+
		"check link no; connect retry time 1; connect delay time 1; error wait time 1, 2; "+
		"%s { import all; export where source = RTS_STATIC; next hop self; }; }\n", own, as, peer, 65001+65002-as, family)
	file := filepath.Join(folder, "bird.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.daemon(role, fmt.Sprintf("bird -f -c %s -s %s/ctl -P %[2]s/pid", file, folder))
	return folder
}

// TestHostDHCP: a DHCP client on the host interface gets an address of the network's server.
func TestHostDHCP(t *testing.T) {
	needProgram(t, "busybox")
	t.Parallel()
	b := newHostBed(t, lab.Config{Mode: lvs.FullNAT, Arms: 1})
	folder := t.TempDir()
	err := errors.Join(os.WriteFile(folder+"/conf", []byte("start 10.0.0.200\nend 10.0.0.209\n"+
		"interface br-front\nlease_file "+folder+"/leases\npidfile "+folder+"/server.pid\n"+
		"option subnet 255.255.255.0\noption router 10.0.0.254\n"), 0o600),
		os.WriteFile(folder+"/leases", nil, 0o600),
		os.WriteFile(folder+"/script", []byte("#!/bin/sh\n[ $1 != bound ] || echo $ip $subnet $router\n"),
			0o700))
	if err != nil {
		t.Fatal(err)
	}
	b.daemon("router", "busybox udhcpd -f "+folder+"/conf")
	out := b.run("director", "busybox udhcpc -i ful-front -f -q -n -t 20 -T 1 -s "+folder+"/script 2>&1")
	if want := "10.0.0.20"; !strings.Contains(out, want) || !strings.Contains(out, "255.255.255.0 10.0.0.254") {
		t.Errorf("no address:\n%s", out)
	}
	b.stopDirector()
}

// TestHostSLAAC: the host interface configures itself by a router advertisement, and with follow
// the director has that address too: it answers for it on the link, and the host's programs use it.
func TestHostSLAAC(t *testing.T) {
	needProgram(t, "busybox")
	t.Parallel()
	b := newHostBed(t, lab.Config{Mode: lvs.FullNAT, Arms: 1, Family: lab.IPv6})
	b.apply(func(text string) string {
		return strings.Replace(text, `host      = "ful-front"`, "host      = \"ful-front\"\nfollow = true", 1)
	})
	b.run("director", "sysctl -w net.ipv6.conf.ful-front.accept_ra=1") // labs turn it off
	b.run("router", "ip address add fd00:5::254/64 dev br-front nodad")
	var address string
	eventually(t, "an address by SLAAC", func() bool {
		b.advertise(netip.MustParsePrefix("fd00:5::/64"))
		address = strings.TrimSpace(b.run("director", "ip -6 -o address show dev ful-front scope global "+
			"-tentative | sed -n 's/.*inet6 \\(fd00:5:[^/]*\\).*/\\1/p'"))
		return address != ""
	})
	eventually(t, "a port with the address", func() bool {
		return slices.ContainsFunc(b.statusOf().Hosts, func(h control.HostReport) bool {
			return slices.Contains(h.Addresses, address+"/64")
		})
	})
	for role, to := range map[string]string{"router": address, "director": "fd00:5::254"} {
		out := b.run(role, fmt.Sprintf("busybox ping -c 3 -W 10 %s", to))
		if !strings.Contains(out, "3 packets received, 0%") {
			t.Errorf("%s pings %s:\n%s", role, to, out)
		}
	}
	b.stopDirector()
}

// advertise sends a router advertisement with a prefix (RFC 4861, 4.2 and 4.6.2) on the front
// network.
func (b *hostBed) advertise(p netip.Prefix) {
	b.t.Helper()
	prefix := p.Addr().As16()
	message := append([]byte{134, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		3, 4, byte(p.Bits()), 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0}, prefix[:]...)
	b.inside("router", func() error {
		link, err := net.InterfaceByName("br-front")
		if err != nil {
			return err
		}
		c, err := net.ListenPacket("ip6:ipv6-icmp", "::") // the kernel adds the checksum
		if err != nil {
			return err
		}
		defer c.Close()
		p := ipv6.NewPacketConn(c)
		_ = p.SetMulticastHopLimit(255)
		_, err = p.WriteTo(message, &ipv6.ControlMessage{HopLimit: 255, IfIndex: link.Index},
			&net.IPAddr{IP: net.ParseIP("ff02::1"), Zone: link.Name})
		return err
	})
}
