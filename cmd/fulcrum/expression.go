package main

import (
	"fulcrum/capture"
	"fulcrum/ports/dpdk"
)

// compileFilter makes a program of an expression in libpcap's language.
func compileFilter(expression string) (*capture.Program, error) {
	instructions, err := dpdk.CompileFilter(expression)
	if err != nil {
		return nil, err
	}
	return capture.NewProgram(instructions)
}
