package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// station is a namespace in which commands of pages find what they name: a director at its usual
// socket, its files, and files below /etc.
type station struct {
	folder   string
	holder   *exec.Cmd // keeps the namespaces
	leave    io.Closer // ends the holder
	director *exec.Cmd // nil if none runs
	log      *output   // the director's
}

// holding prepares a network namespace and a mount namespace and keeps them until its input ends.
const holding = `set -e
mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /etc && cp -r etc/. /etc/
ip link set lo up && ip address add 10.9.0.1/32 dev lo
ip link add eth1 type veth peer name peer1 && ip link set eth1 up && ip link set peer1 up
ip link add eth2 type veth peer name peer2 && ip link set eth2 up && ip link set peer2 up
echo ready && exec cat`

func (s *station) open() error {
	s.holder = exec.Command("unshare", "--mount", "--net", "sh", "-c", holding)
	s.holder.Dir, s.holder.Stderr = s.folder, os.Stderr
	in, err := s.holder.StdinPipe()
	if err != nil {
		return err
	}
	out, err := s.holder.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.holder.Start(); err != nil {
		return err
	}
	s.leave = in
	_, err = io.ReadFull(out, make([]byte, len("ready\n")))
	return err
}

func (s *station) close() {
	if s.director != nil {
		_ = s.director.Process.Kill() // a failed script has not stopped it
		_ = s.director.Wait()
	}
	if s.leave != nil {
		s.leave.Close()
		_ = s.holder.Wait() // it has nothing to say
	}
}

// inside prepares a command line of the shell, which runs in the namespaces and in the folder.
func (s *station) inside(line string) *exec.Cmd {
	c := exec.Command("nsenter", "-t", fmt.Sprint(s.holder.Process.Pid), "--mount", "--net",
		"sh", "-c", `cd "$1" && PATH="$1/bin:$PATH" && eval "$2"`, "sh", s.folder, line)
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}

// start starts a director and waits until packets flow.
func (s *station) start(line string) error {
	s.log = new(output)
	s.director = s.inside("exec " + line)
	s.director.Stderr = s.log
	if err := s.director.Start(); err != nil {
		return err
	}
	return s.await("director ready", func() bool {
		return strings.Contains(s.log.String(), "director ready")
	})
}

// awaitSessions waits until the director has a session for each request.
func (s *station) awaitSessions() error {
	return s.await("sessions", func() bool {
		listed, _ := s.inside("fulcrum sessions -o json").Output() // an error is no session
		return strings.Count(string(listed), "\n") == webRequests+dnsRequests
	})
}

func (s *station) await(what string, holds func() bool) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return nil
		}
	}
	return fmt.Errorf("%s: not within %s:\n%s", what, patience, s.log.String())
}

// stop stops the director if one runs, which must end well.
func (s *station) stop() error {
	if s.director == nil {
		return nil
	}
	err := errors.Join(s.director.Process.Signal(syscall.SIGTERM), s.director.Wait())
	s.director = nil
	return err
}

// The sessions that the director of a station has: SYNs to web and queries to dns. Before them it
// drops strayPackets to an address that is not its own.
const webRequests, dnsRequests, strayPackets = 20, 31, 2

// furnish writes the files that commands of pages name.
func (s *station) furnish() error {
	configuration, err := os.ReadFile("testdata/documents/fulcrum.toml")
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"fulcrum.toml": configuration,
		"new.toml":     []byte(changed(string(configuration))),
		"rules":        []byte("-A -t 10.0.0.101:80 -s rr\n-a -t 10.0.0.101:80 -r 10.1.0.13 -m -w 1\n"),
		"moved": []byte("-A -t 10.0.0.100:80 -s rr\n" +
			"-a -t 10.0.0.100:80 -r 10.1.0.11:8080 -m -w 1\n" +
			"-a -t 10.0.0.100:80 -r 10.1.0.12:8080 -m -w 1\n"),
		"etc/sysctl.d/90-ipvs.conf": []byte("net.ipv4.vs.sloppy_tcp = 1\n"),
		"etc/dpvs.conf":             []byte("worker_defs {\n worker a {\n  cpu_id 0\n }\n}\n"),
		"etc/keepalived/keepalived.conf": []byte("virtual_server 10.0.0.100 80 {\n lb_kind NAT\n protocol TCP\n" +
			" real_server 10.1.0.11 80 {\n }\n}\n"),
		"etc/fulcrum/token":        []byte("0123456789abcdef0123456789abcdef"),
		"etc/fulcrum/fulcrum.toml": configuration,
	}
	return errors.Join(s.writeAll(files), s.examples(), s.captures(), s.certify(),
		os.Mkdir(filepath.Join(s.folder, "bin"), 0o755), os.Symlink(program,
			filepath.Join(s.folder, "bin/fulcrum")))
}

// changed is the configuration that `fulcrum plan new.toml` compares with the one that runs.
func changed(configuration string) string {
	head, _, _ := strings.Cut(configuration, "[[service]]\nname = \"dns\"")
	head = strings.Replace(head, `via = "10.0.0.254"`, `via = "10.0.0.253"`, 1)
	head = strings.Replace(head, "address = \"10.1.0.11:80\"\n",
		"address = \"10.1.0.11:80\"\n  weight = 3\n", 1)
	return head + "  [[service.real_server]]\n  address = \"10.1.0.13:80\"\n"
}

func (s *station) writeAll(files map[string][]byte) error {
	for name, content := range files {
		name = filepath.Join(s.folder, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, content, 0o600))
		if err != nil {
			return err
		}
	}
	return nil
}

// examples copies docs/examples, and the configuration over capture files that README.md shows.
func (s *station) examples() error {
	files := map[string][]byte{}
	examples, err := filepath.Glob(filepath.Join(root, "docs/examples/*.toml"))
	if err != nil {
		return err
	}
	for _, name := range examples {
		if files[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			return err
		}
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		return err
	}
	shown := regexp.MustCompile(`\[\[port\]\]\n(.+\n)*.*rx_pcap=in\.pcap(.*\n)(.+\n)*`).Find(readme)
	files["pcap.toml"] = shown
	return s.writeAll(files)
}

// captures writes what the director's device plays, and an empty capture for pcap.toml.
func (s *station) captures() error {
	var frames [][]byte
	targets := slices.Concat(slices.Repeat([]string{"203.0.113.9:443"}, strayPackets),
		slices.Repeat([]string{"10.0.0.100:80"}, webRequests),
		slices.Repeat([]string{"10.0.0.100:53"}, dnsRequests))
	for i, target := range targets {
		client := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.9"), uint16(4000+i))
		frame, err := frameFrom(client, netip.MustParseAddrPort(target))
		if err != nil {
			return err
		}
		frames = append(frames, frame)
	}
	return errors.Join(saveCapture(filepath.Join(s.folder, "requests.pcap"), frames),
		saveCapture(filepath.Join(s.folder, "in.pcap"), nil))
}

// frameFrom returns a SYN, or a datagram to port 53, sent to DPDK's first net_pcap device.
func frameFrom(client, target netip.AddrPort) ([]byte, error) {
	ip := &layers.IPv4{
		Version: 4, TTL: 64, SrcIP: client.Addr().AsSlice(), DstIP: target.Addr().AsSlice(),
	}
	var transport gopacket.SerializableLayer
	if target.Port() != 53 {
		ip.Protocol = layers.IPProtocolTCP
		tcp := &layers.TCP{SrcPort: layers.TCPPort(client.Port()),
			DstPort: layers.TCPPort(target.Port()), SYN: true, Window: 65535}
		_ = tcp.SetNetworkLayerForChecksum(ip) // cannot fail for IPv4
		transport = tcp
	} else {
		ip.Protocol = layers.IPProtocolUDP
		udp := &layers.UDP{SrcPort: layers.UDPPort(client.Port()), DstPort: 53}
		_ = udp.SetNetworkLayerForChecksum(ip) // cannot fail for IPv4
		transport = udp
	}
	ethernet := &layers.Ethernet{
		SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 254}, DstMAC: pcapMAC,
		EthernetType: layers.EthernetTypeIPv4,
	}
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true,
		ComputeChecksums: true}, ethernet, ip, transport)
	return b.Bytes(), err
}

// certify has the director's API served over TCP, with a certificate that ca.pem trusts.
func (s *station) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "director"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{{10, 9, 0, 1}}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	return s.writeAll(map[string][]byte{
		"ca.pem":               public,
		"etc/fulcrum/cert.pem": public,
		"etc/fulcrum/key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	})
}
