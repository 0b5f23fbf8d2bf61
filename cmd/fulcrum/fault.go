package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"fulcrum/engine"
)

// explainFault adds to a worker's fault the stack and the file that its packet was saved to. It
// returns other errors unchanged.
func explainFault(err error) error {
	var f *engine.Fault
	if !errors.As(err, &f) {
		return err
	}
	err = fmt.Errorf("%w; this is a bug in fulcrum, please report it\n%s", err, f.Stack)
	if f.Packet == nil {
		return err
	}
	file, saveErr := savePacket(f.Packet)
	if saveErr != nil {
		return errors.Join(err, saveErr)
	}
	return fmt.Errorf("%w\nthe packet is in %s", err, file)
}

// savePacket writes a frame to a new capture file.
func savePacket(frame []byte) (name string, err error) {
	file, err := os.CreateTemp("", "fulcrum-fault-*.pcap")
	if err != nil {
		return "", fmt.Errorf("save the packet: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := pcapgo.NewWriter(file)
	if err := w.WriteFileHeader(1<<16, layers.LinkTypeEthernet); err != nil {
		return "", fmt.Errorf("save the packet: %w", err)
	}
	at := gopacket.CaptureInfo{Timestamp: time.Now(), CaptureLength: len(frame), Length: len(frame)}
	if err := w.WritePacket(at, frame); err != nil {
		return "", fmt.Errorf("save the packet: %w", err)
	}
	return file.Name(), nil
}
