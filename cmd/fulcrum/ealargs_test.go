package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fulcrum/config"
	"fulcrum/ports/dpdk"
)

// TestRefusedEALArguments: check and run refuse the same arguments, however they are written.
func TestRefusedEALArguments(t *testing.T) {
	if diff := cmp.Diff(dpdk.RefusedArgs(), config.RefusedEALArgs()); diff != "" {
		t.Errorf("ports/dpdk (-) and config (+) differ:\n%s", diff)
	}
	args := []string{"--", "-", "-n4", "--log-level=7", "--no-pci", "--log-level=help", "help",
		"--no-hpet"}
	for _, refused := range dpdk.RefusedArgs() {
		args = append(args, refused, refused[:len(refused)-1], refused+"=x", refused+"x")
	}
	for _, arg := range args {
		byDPDK := dpdk.Config{Args: []string{arg}}.Validate()
		text := quiet(t, `memory = "64MiB"`, "memory = \"64MiB\"\nargs = [\""+arg+"\"]")
		_, byConfig := config.Parse("f", []byte(text))
		if (byDPDK == nil) != (byConfig == nil) {
			t.Errorf("%s: ports/dpdk says %v, config says %v", arg, byDPDK, byConfig)
		}
	}
}
