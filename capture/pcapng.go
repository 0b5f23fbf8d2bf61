package capture

import (
	"encoding/binary"
	"io"
)

// Numbers of pcapng (draft-ietf-opsawg-pcapng) that this package writes.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 6
	byteOrderMagic = 0x1a2b3c4d
	linkEthernet   = 1

	optionEnd         = 0
	optionComment     = 1
	optionApplication = 4 // option of a section
	optionName        = 2 // option of an interface
	optionResolution  = 9 // option of an interface
	optionFlags       = 2 // option of a packet

	nanoseconds = 9 // resolution of timestamps: 10^-9 s
	inbound     = 1
	outbound    = 2
)

// Writer writes records as pcapng, in little-endian order. It is for one goroutine.
type Writer struct {
	w     io.Writer
	block []byte // the block in progress; reused
}

// NewWriter writes the start of a file: the section, and an interface for each port name.
// Record.Port is an index into ports. snap is the maximum number of bytes recorded from each
// packet.
func NewWriter(w io.Writer, ports []string, snap int) (*Writer, error) {
	n := &Writer{w: w}
	n.begin(blockSection)
	n.word(byteOrderMagic)
	n.half(1) // version 1.0
	n.half(0)
	n.word(0xffffffff) // the section's length is unknown
	n.word(0xffffffff)
	n.option(optionApplication, []byte("fulcrum"))
	if err := n.end(); err != nil {
		return nil, err
	}
	for _, name := range ports {
		n.begin(blockInterface)
		n.half(linkEthernet)
		n.half(0)
		n.word(uint32(snap))
		n.option(optionName, []byte(name))
		n.option(optionResolution, []byte{nanoseconds})
		if err := n.end(); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// Write writes a record. A comment that is not empty becomes the comment of the packet.
func (n *Writer) Write(r *Record, comment string) error {
	n.begin(blockPacket)
	n.word(uint32(r.Port))
	n.word(uint32(uint64(r.Time) >> 32))
	n.word(uint32(r.Time))
	n.word(uint32(len(r.Data)))
	n.word(uint32(r.Length))
	n.padded(r.Data)
	direction := uint32(inbound)
	if r.Stage == Tx {
		direction = outbound
	}
	n.option(optionFlags, binary.LittleEndian.AppendUint32(nil, direction))
	if comment != "" {
		n.option(optionComment, []byte(comment))
	}
	return n.end()
}

// begin starts a block. end fills in its length.
func (n *Writer) begin(kind uint32) {
	n.block = n.block[:0]
	n.word(kind)
	n.word(0)
}

func (n *Writer) word(v uint32) { n.block = binary.LittleEndian.AppendUint32(n.block, v) }
func (n *Writer) half(v uint16) { n.block = binary.LittleEndian.AppendUint16(n.block, v) }

// padded appends b and pads the block to a multiple of four bytes.
func (n *Writer) padded(b []byte) {
	n.block = append(n.block, b...)
	for len(n.block)%4 != 0 {
		n.block = append(n.block, 0)
	}
}

func (n *Writer) option(code uint16, value []byte) {
	n.half(code)
	n.half(uint16(len(value)))
	n.padded(value)
}

// end ends the options and the block, and writes the block.
func (n *Writer) end() error {
	n.option(optionEnd, nil)
	length := uint32(len(n.block) + 4)
	n.word(length)
	binary.LittleEndian.PutUint32(n.block[4:], length)
	_, err := n.w.Write(n.block)
	return err
}
