package capture_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"fulcrum/capture"
	"fulcrum/packet"
)

// synFrame returns a TCP SYN from 192.168.5.9:40000 to 10.0.0.100:80.
func synFrame() []byte {
	const digits = `020000000002 020000000001 0800
		4500 0028 0000 4000 4006 6abb c0a80509 0a000064
		9c40 0050 00000001 00000000 5002 ffff 433c 0000`
	frame, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
	if err != nil {
		panic(err)
	}
	return frame
}

// A worker keeps one Parsed and matches every packet against the filter.
func ExampleParseFilter() {
	var parsed packet.Parsed
	for _, text := range []string{
		"tcp and dst net 10.0.0.0/24",
		"udp or port 8000-8080",
		"tcp and host",
	} {
		f, err := capture.ParseFilter(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(f.Match(synFrame(), &parsed))
	}
	// Output:
	// true
	// false
	// filter "tcp and host": unexpected end; continue with an address such as 10.0.0.1 or fd00::1
}

// A worker puts records into a ring. A reader takes them and writes a file that Wireshark opens.
func ExampleWriter() {
	ring := capture.NewRing(16, 64)
	ring.Put(capture.Record{
		Time: time.Date(2025, time.January, 2, 3, 4, 5, 0, time.UTC).UnixNano(),
		Port: 0, Stage: capture.Drop, Data: synFrame(),
	})

	var file bytes.Buffer
	w, err := capture.NewWriter(&file, []string{"front", "back"}, 64)
	if err != nil {
		fmt.Println(err)
		return
	}
	for ring.Take(func(r *capture.Record) {
		fmt.Println(r.Stage, r.Length, "bytes")
		err = w.Write(r, "no_service")
	}) && err == nil {
	}
	fmt.Println(err, bytes.Contains(file.Bytes(), []byte("no_service")))
	// Output:
	// drop 54 bytes
	// <nil> true
}
