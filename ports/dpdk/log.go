package dpdk

// Why this is sound: C writes at most len(text) bytes into a Go array that outlives the call, and
// keeps no pointer to it.

// #include "shim.h"
import "C"

import (
	"slices"
	"strings"
	"unsafe"
)

// logLines is the number of log lines that an error carries: the last lines name the cause.
const logLines = 4

// boilerplate lines follow any failure and add nothing to the error.
var boilerplate = []string{
	"Driver cannot attach the device",
	"Failed to attach device on primary process",
	"Detected ",
	"Selected IOVA mode",
}

// logMark is a position in DPDK's log.
type logMark C.uint64_t

func markLog() logMark { return logMark(C.fulcrum_log_mark()) }

// lines returns the last relevant lines that were logged since the mark.
func (m logMark) lines() []string {
	text := make([]byte, C.FULCRUM_LOG_SIZE)
	n := C.fulcrum_log_since(C.uint64_t(m), (*C.char)(unsafe.Pointer(&text[0])), C.size_t(len(text)))
	return relevantLines(string(text[:n]))
}

func relevantLines(text string) []string {
	// DPDK prints a hundred lines of usage after a wrong argument, which would hide its name.
	text, _, _ = strings.Cut(text, "\nUsage:")
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		says := func(s string) bool { return strings.Contains(line, s) }
		if line != "" && !slices.ContainsFunc(boilerplate, says) {
			lines = append(lines, line)
		}
	}
	lines = slices.Compact(lines)
	return lines[max(0, len(lines)-logLines):]
}
