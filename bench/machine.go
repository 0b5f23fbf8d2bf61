package bench

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// Machine describes the machine of the figures.
type Machine struct {
	CPU       string `json:"cpu"` // the model
	CPUs      int    `json:"cpus"`
	Memory    string `json:"memory"`
	Kernel    string `json:"kernel"`
	DPDK      string `json:"dpdk"`
	Go        string `json:"go"`
	HugePages string `json:"huge_pages"` // when the benchmark ran
	Commit    string `json:"commit"`     // of the program
}

const unknown = "unknown"

func describeMachine(commit string) Machine {
	return Machine{
		CPU:       valueIn("/proc/cpuinfo", "model name"),
		CPUs:      runtime.NumCPU(),
		Memory:    valueIn("/proc/meminfo", "MemTotal"),
		Kernel:    said("uname", "-sr"),
		DPDK:      said("pkg-config", "--modversion", "libdpdk"),
		Go:        runtime.Version(),
		HugePages: describeHugePages(),
		Commit:    commit,
	}
}

// valueIn returns the value of the first "key : value" in a file.
func valueIn(file, key string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return unknown
	}
	for line := range strings.Lines(string(text)) {
		if k, v, found := strings.Cut(line, ":"); found && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return unknown
}

// said returns the output of a program.
func said(program string, arguments ...string) string {
	text, err := exec.Command(program, arguments...).Output()
	if err != nil {
		return unknown
	}
	return strings.TrimSpace(string(text))
}

func describeHugePages() string {
	n, err := readNumber(hugePages + "/nr_hugepages")
	if err != nil || n == 0 {
		return "none"
	}
	return strconv.Itoa(n) + " of 2 MiB"
}
