package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	kib int64 = 1 << 10
	mib int64 = 1 << 20
	gib int64 = 1 << 30
	tib int64 = 1 << 40
)

var errSize = errors.New("want an integer with a unit: KiB, MiB, GiB or TiB")

// units are the binary units of sizes, largest first.
var units = []struct {
	name  string
	bytes int64
}{{"TiB", tib}, {"GiB", gib}, {"MiB", mib}, {"KiB", kib}}

// parseSize parses an integer with a binary unit. The result is in bytes.
func parseSize(text string) (int64, error) {
	for _, unit := range units {
		number, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/unit.bytes {
			return 0, errSize
		}
		return n * unit.bytes, nil
	}
	return 0, errSize
}

// formatSize formats a number of bytes in the largest unit that needs no fraction.
func formatSize(n int64) string {
	for _, unit := range units {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", n/unit.bytes, unit.name)
		}
	}
	return fmt.Sprintf("%dB", n)
}

// size returns a size in bytes. It must be a multiple of 1 MiB, the EAL's unit.
func (v value) size(fallback, least, most int64) int64 {
	right := fmt.Sprintf(`write a size from %s to %s, such as "512MiB" or "2GiB"`,
		formatSize(least), formatSize(most))
	n, ok := parsed(v, parseSize, "size", right)
	switch {
	case !ok:
		return fallback
	case n < least || n > most:
		v.reportf(right, "%s is out of range", formatSize(n))
	case n%mib != 0:
		v.reportf("write a whole number of MiB", "%s is not a multiple of 1MiB", formatSize(n))
	}
	return n
}
