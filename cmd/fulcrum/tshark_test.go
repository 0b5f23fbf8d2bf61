package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// tsharkFields are what tshark is asked about each frame. Checksums are "1" when they are right, "3" when there is none, and empty
// where the protocol is not there.
var tsharkFields = []string{"ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "sctp.checksum.status", "icmp.checksum.status",
	"icmpv6.checksum.status", "_ws.expert.severity", "frame.protocols"}

// severity is the place of the worst that tshark's experts say; before it there are checksums.
const severity = 6

// severityError is Wireshark's PI_ERROR.
const severityError = "8388608"

// tshark has Wireshark's dissectors read a capture: every checksum has to be right, and nothing malformed.
func (j *judge) tshark(name string) {
	j.t.Helper()
	arguments := []string{"-n", "-r", filepath.Join(j.folder, name), "-T", "fields", "-E", "occurrence=a",
		// What ports carry here is random data, which must not be taken for what their numbers say.
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
			clear(values[1:4]) // of a packet that is quoted, and cut off, which tshark does not see
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
		j.t.Errorf("tshark found no right checksum in the %d frames of %s: was it asked?", len(lines), name)
	}
}
