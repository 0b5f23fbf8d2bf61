package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// tsharkFields are the fields that tshark prints of each frame. A checksum is "1" if it is right,
// "3" if there is none, and empty if the frame lacks the protocol.
var tsharkFields = []string{"ip.checksum.status", "tcp.checksum.status", "udp.checksum.status",
	"sctp.checksum.status", "icmp.checksum.status",
	"icmpv6.checksum.status", "_ws.expert.severity", "frame.protocols"}

// severity is the index of the worst severity that tshark's experts report. The fields before it
// are checksums.
const severity = 6

// severityError is Wireshark's PI_ERROR.
const severityError = "8388608"

// tshark has Wireshark's dissectors read a capture: every checksum must be right, and no packet
// malformed.
func (j *judge) tshark(name string) {
	j.t.Helper()
	arguments := []string{"-n", "-r", filepath.Join(j.folder, name), "-T", "fields", "-E",
		"occurrence=a",
		// Payloads are random data, which tshark must not decode by port number.
		"-d", "tcp.port==1-65535,data", "-d", "udp.port==1-65535,data", "-d", "sctp.port==1-65535,data",
		"-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "sctp.checksum:CRC 32c",
		"-o", "tcp.analyze_sequence_numbers:FALSE"}
	for _, f := range tsharkFields {
		arguments = append(arguments, "-e", f)
	}
	command := exec.Command("tshark", arguments...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		j.t.Fatalf("tshark: %v\n%s", err, stderr.String())
	}
	j.readTshark(name, strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"))
}

func (j *judge) readTshark(name string, lines []string) {
	j.t.Helper()
	right := 0
	for i, line := range lines {
		values := strings.Split(line, "\t")
		if strings.Contains(values[len(values)-1], ":icmp") {
			// An ICMP error quotes a packet that is cut off. tshark does not see that.
			clear(values[1:4])
			values[severity] = ""
		}
		for v := range strings.SplitSeq(strings.Join(values[:severity], ","), ",") {
			if v == "1" {
				right++
			} else if v != "" && v != "3" {
				j.t.Fatalf("tshark: frame %d of %s: %v are %q", i+1, name, tsharkFields, values)
			}
		}
		if slices.Contains(strings.Split(values[severity], ","), severityError) {
			j.t.Fatalf("tshark: frame %d of %s: %v are %q", i+1, name, tsharkFields, values)
		}
	}
	if right == 0 {
		j.t.Errorf("tshark found no right checksum in the %d frames of %s: was it asked?",
			len(lines), name)
	}
}
