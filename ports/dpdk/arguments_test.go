package dpdk

import "testing"

func TestRefusedArguments(t *testing.T) {
	for arg, want := range map[string]string{
		"--help":                "--help",
		"--hel":                 "--help",
		"-h":                    "-h",
		"-hfoo":                 "-h",
		"--":                    "--help", // it would hide the arguments behind it
		"--file-prefix=mine":    "--file-prefix",
		"--file-pref=zz":        "--file-prefix",
		"--f=zz":                "--file-prefix",
		"--proc-type=secondary": "--proc-type",
		"--proc-type":           "--proc-type",
		"-l0-1":                 "-l",
		"--lcore=1":             "--lcores",
		"-c":                    "-c",
		"-m128":                 "-m",
		"--in-mem":              "--in-memory",
		"--no-hug":              "--no-huge",
		"--log-level=help":      "--log-level=help",
		"help":                  "help",
	} {
		if got, is := refusedArg(arg); !is || got != want {
			t.Errorf("%s is taken for %q", arg, got)
		}
	}
}

func TestAcceptedArguments(t *testing.T) {
	for _, arg := range []string{
		"--log-level=7", "--log-level", "7", "--iova-mode=va", "--base-virtaddr=0x100000000", "-a", "0000:3b:00.0", "-a0000:3b:00.0",
		"--no-telemetry", "--no-pci", "--single-file-segments", "--huge-dir=/mnt/huge", "--vdev=net_null0", "-n4",
	} {
		if got, is := refusedArg(arg); is {
			t.Errorf("%s is refused as %s", arg, got)
		}
	}
}
