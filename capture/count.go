package capture

import "encoding/binary"

// blockHeader is the type and the length that begin each block.
const blockHeader = 8

// Counter counts the packets of a pcapng stream in the byte order of Writer. It is an io.Writer
// that never fails.
type Counter struct {
	Packets int // that are complete

	header   [blockHeader]byte
	have     int // bytes of header
	left     int // bytes of the block that are missing
	isPacket bool
}

// Write reads on in the stream.
func (c *Counter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		b = b[c.take(b):]
	}
	return n, nil
}

// take consumes some bytes of one block and returns their number.
func (c *Counter) take(b []byte) (n int) {
	if c.left == 0 {
		n = copy(c.header[c.have:], b)
		if c.have += n; c.have == blockHeader {
			c.isPacket = binary.LittleEndian.Uint32(c.header[:]) == blockPacket
			c.left = max(int(binary.LittleEndian.Uint32(c.header[4:]))-blockHeader, 0)
			c.have = 0
		}
		return n
	}
	n = min(c.left, len(b))
	if c.left -= n; c.left == 0 && c.isPacket {
		c.Packets++
	}
	return n
}
