package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// The file of the neighbours that a run knows has two places of keptStep bytes for a list of them.
// A list is written over the older one, so that the newer one stays whole if a crash cuts the
// writing off. It is written by mapping, since hugetlbfs has no write(2), and into room that was
// reserved at the start, so that it cannot fail.
//
// A list has a header, the names of the ports, each behind its length in 4 bytes, and the
// neighbours in hintLen bytes each. Numbers are little-endian:
//
//	0   hintsMagic
//	16  format   20  sum of all that follows   24  length of the list in bytes, with the header
//	28  number of the list   36  how many ports   40  how many neighbours
//
// and of a neighbour:
//
//	0   address   16  MAC   22  index of the port's name   24  1 if the MAC has answered, or 0

const (
	hintsMagic   = "fulcrum stations"
	neverWritten = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	hintsFormat  = 1
	hintsSummed  = 24
	hintsHeader  = 44
	hintLen      = 25
)

var hintsTable = crc32.MakeTable(crc32.Castagnoli)

// errNoHints reports a place without a list: none was written there.
var errNoHints = errors.New("no list of neighbours")

// hintList is a list of neighbours. Their ports are indices of names.
type hintList struct {
	number uint64 // the newer of two lists has the larger one
	names  []string
	all    []neighbour.Hint
}

// append appends the list to b. Neighbours beyond the room of a place are left out.
func (l *hintList) append(b []byte) []byte {
	begin := len(b)
	b = append(b, hintsMagic...)
	b = append(b, make([]byte, hintsHeader-len(hintsMagic))...)
	for _, name := range l.names {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(name)))
		b = append(b, name...)
	}
	room := max(0, keptStep-len(b)) / hintLen
	all := l.all[:min(len(l.all), neighbour.MaxEntries, room)]
	for i := range all {
		b = appendHint(b, &all[i])
	}
	h := b[begin:]
	binary.LittleEndian.PutUint32(h[16:], hintsFormat)
	binary.LittleEndian.PutUint32(h[24:], uint32(len(h)))
	binary.LittleEndian.PutUint64(h[28:], l.number)
	binary.LittleEndian.PutUint32(h[36:], uint32(len(l.names)))
	binary.LittleEndian.PutUint32(h[40:], uint32(len(all)))
	binary.LittleEndian.PutUint32(h[20:], crc32.Checksum(h[hintsSummed:], hintsTable))
	return b
}

func appendHint(b []byte, h *neighbour.Hint) []byte {
	b = binary.LittleEndian.AppendUint64(b, h.Address.Hi)
	b = binary.LittleEndian.AppendUint64(b, h.Address.Lo)
	b = append(b, h.MAC[:]...)
	b = binary.LittleEndian.AppendUint16(b, h.Port)
	if h.Proven {
		return append(b, 1)
	}
	return append(b, 0)
}

// decode reads the list in a place.
func (l *hintList) decode(b []byte) error {
	switch {
	case len(b) < hintsHeader:
		return errors.New("it is cut off")
	case string(b[:16]) == neverWritten:
		return errNoHints
	case string(b[:16]) != hintsMagic:
		return errors.New("no file of neighbours")
	}
	if f := binary.LittleEndian.Uint32(b[16:]); f != hintsFormat {
		return fmt.Errorf("its format is %d, this director reads %d", f, hintsFormat)
	}
	length := binary.LittleEndian.Uint32(b[24:])
	if length < hintsHeader || uint64(length) > uint64(len(b)) ||
		crc32.Checksum(b[hintsSummed:length], hintsTable) != binary.LittleEndian.Uint32(b[20:]) {
		return errors.New("it is damaged")
	}
	l.number = binary.LittleEndian.Uint64(b[28:])
	return l.decodeRest(b[hintsHeader:length], binary.LittleEndian.Uint32(b[36:]),
		binary.LittleEndian.Uint32(b[40:]))
}

// decodeRest reads so many names and neighbours, which fill b.
func (l *hintList) decodeRest(b []byte, names, hints uint32) error {
	impossible := errors.New("it has an impossible list")
	for range names {
		if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
			return impossible
		}
		end := 4 + binary.LittleEndian.Uint32(b)
		l.names, b = append(l.names, string(b[4:end])), b[end:]
	}
	if hints > neighbour.MaxEntries || len(b) != int(hints)*hintLen {
		return impossible
	}
	for ; len(b) > 0; b = b[hintLen:] {
		h := decodeHint(b)
		if int(h.Port) >= len(l.names) {
			return impossible
		}
		l.all = append(l.all, h)
	}
	return nil
}

func decodeHint(b []byte) neighbour.Hint {
	return neighbour.Hint{
		Address: packet.Addr{
			Hi: binary.LittleEndian.Uint64(b), Lo: binary.LittleEndian.Uint64(b[8:]),
		},
		MAC: packet.MAC(b[16:22]), Port: binary.LittleEndian.Uint16(b[22:]), Proven: b[24] == 1,
	}
}

// decodeHints reads the newer list of a file that is whole. It is an error if there are only
// others. A file in which none was written has an empty one.
func decodeHints(places [2][]byte) (newer hintList, err error) {
	whole, nothing := false, 0
	for _, b := range places {
		var l hintList
		switch e := l.decode(b); {
		case e == errNoHints:
			nothing++
		case e != nil:
			err = errors.Join(err, e)
		case !whole || l.number > newer.number:
			newer, whole = l, true
		}
	}
	if whole || nothing == 2 {
		return newer, nil
	}
	return hintList{}, err
}

// readHints reads the neighbours of a run. A run of an older version has none.
func readHints(path string) (l hintList, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return l, nil
	} else if err != nil {
		return l, err
	}
	defer f.Close()
	var places [2][]byte
	for i := range places {
		if places[i], err = readHintList(f, int64(i)*keptStep); err != nil {
			return hintList{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	if l, err = decodeHints(places); err != nil {
		return hintList{}, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// readHintList reads the list in a place as far as it goes, or as far as the file does.
func readHintList(f io.ReaderAt, at int64) ([]byte, error) {
	b := make([]byte, hintsHeader)
	n, err := f.ReadAt(b, at)
	if b = b[:n]; err == io.EOF {
		return b, nil
	}
	length := binary.LittleEndian.Uint32(b[24:])
	if err != nil || length < hintsHeader || length > keptStep {
		return b, err
	}
	b = make([]byte, length)
	n, err = f.ReadAt(b, at)
	if err == io.EOF {
		err = nil
	}
	return b[:n], err
}

// keptHints writes the neighbours that a run knows. One goroutine uses it at a time.
type keptHints struct {
	file []byte   // the mapping
	list hintList // that was written last
	text []byte   // for the next list
	seen []uint32 // by worker: the changes of its table, as of that list
}

// newKeptHints makes the file, which must not be there.
func newKeptHints(path string, devices []ports.Port, workers int) (*keptHints, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, 2*keptStep); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	h := &keptHints{seen: make([]uint32, workers)}
	const access = unix.PROT_READ | unix.PROT_WRITE
	h.file, err = unix.Mmap(int(f.Fd()), 0, 2*keptStep, access, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, d := range devices {
		h.list.names = append(h.list.names, d.Name())
	}
	return h, nil
}

// write writes a list. Its ports are the run's.
func (h *keptHints) write(all []neighbour.Hint) {
	h.list.number++
	h.list.all = all
	h.text = h.list.append(h.text[:0])
	copy(h.file[h.list.number%2*keptStep:][:keptStep], h.text)
}

// close gives the mapping up. It does nothing for nil.
func (h *keptHints) close() error {
	if h == nil {
		return nil
	}
	return unix.Munmap(h.file)
}
