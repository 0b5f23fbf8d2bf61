package keepalived_test

import (
	"fmt"
	"os"
	"path/filepath"

	"fulcrum/keepalived"
)

const virtualServer = `
virtual_server 10.0.0.100 80 {
    lb_algo wrr
    lb_kind DR
    protocol TCP
    persistence_timeout 300
    real_server 10.0.0.11 80 {
        weight 2
    }
}
`

// inFile writes a keepalived.conf into a folder of its own.
func inFile(text string) (name string, remove func(), err error) {
	folder, err := os.MkdirTemp("", "example")
	if err != nil {
		return "", nil, err
	}
	name = filepath.Join(folder, "keepalived.conf")
	return name, func() { _ = os.RemoveAll(folder) }, os.WriteFile(name, []byte(text), 0o600)
}

// Virtual servers become services. Left lists what Fulcrum does not support.
func ExampleLoad() {
	name, remove, err := inFile(virtualServer)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()
	i, err := keepalived.Load(name, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range i.Services {
		fmt.Println(s.Name, s.ID(), s.Mode, s.Scheduler)
		for _, rs := range s.RealServers {
			fmt.Println("  real server", rs.Address, "weight", rs.Weight)
		}
	}
	for _, note := range i.Left {
		fmt.Println(note[len(name):])
	}
	// Output:
	// tcp-10.0.0.100-80 tcp 10.0.0.100:80 dr wrr
	//   real server 10.0.0.11:80 weight 2
}
