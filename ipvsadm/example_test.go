package ipvsadm_test

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"fulcrum/config"
	"fulcrum/ipvsadm"
)

const file = `
[director]
workers = [0]
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24"]
`

// Rules of a kernel director become services of a configuration, and rules again.
func ExampleChanged() {
	c, err := config.Parse("fulcrum.toml", []byte(file))
	if err != nil {
		fmt.Println(err)
		return
	}
	rules, err := ipvsadm.ReadRules(strings.NewReader(`
-A -t 10.0.0.100:80 -s rr
-a -t 10.0.0.100:80 -r 10.0.0.11 -g -w 2
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	next, err := ipvsadm.Changed(c, rules)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("before:", len(c.Services), "after:", len(next.Services))
	_ = ipvsadm.WriteRules(os.Stdout, next)

	// The same rules again: the error begins with ipvsadm's words.
	_, err = ipvsadm.Changed(next, rules)
	fmt.Println(err)
	// Output:
	// before: 0 after: 1
	// -A -t 10.0.0.100:80 -s rr
	// -a -t 10.0.0.100:80 -r 10.0.0.11:80 -g -w 2
	// line 2: Service already exists: tcp 10.0.0.100:80
}

func ExampleParse() {
	k, err := ipvsadm.Parse([]string{"-a", "-t", "10.0.0.100:80", "-r", "10.0.0.11", "-w", "5"})
	fmt.Println(k.Operation, k.Service, k.Server.Addr(), k.Weight, err)

	_, err = ipvsadm.Parse([]string{"-A", "-t", "10.0.0.100"})
	fmt.Println("wrong command line:", ipvsadm.IsUsage(err))

	_, err = ipvsadm.Parse([]string{"--start-daemon", "backup"})
	fmt.Println("not supported:", errors.Is(err, ipvsadm.ErrNotHere))
	// Output:
	// -a tcp 10.0.0.100:80 10.0.0.11 5 <nil>
	// wrong command line: true
	// not supported: true
}
