package config_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"fulcrum/config"
	"fulcrum/lvs"
)

const file = `
[director]
workers = [0]

[[port]]
name = "front"
device = "net_af_packet0,iface=eth1"
addresses = ["10.0.0.1/24"]

[[service]]
name = "web"
address = "10.0.0.100:80"
protocol = "tcp"
mode = "dr"

  [[service.real_server]]
  address = "10.0.0.11:80"
`

// mustParse returns a configuration that is known to be good.
func mustParse(text string) *config.Config {
	c, err := config.Parse("fulcrum.toml", []byte(text))
	if err != nil {
		panic(err)
	}
	return c
}

// Keys that the file leaves out have their defaults.
func ExampleParse() {
	c, err := config.Parse("fulcrum.toml", []byte(file))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range c.Services {
		fmt.Println(s.Name, s.ID(), s.Mode, s.Scheduler)
		for _, rs := range s.RealServers {
			fmt.Println("  real server", rs.Address, "weight", rs.Weight)
		}
	}
	// Output:
	// web tcp 10.0.0.100:80 dr wlc
	//   real server 10.0.0.11:80 weight 1
}

// The error of a file that cannot be read wraps the cause. The error of a wrong file is of type
// Problems.
func ExampleLoad() {
	_, err := config.Load("/nosuch/fulcrum.toml")
	_, wrong := errors.AsType[config.Problems](err)
	fmt.Println("absent:", errors.Is(err, os.ErrNotExist))
	fmt.Println("wrong content:", wrong)
	// Output:
	// absent: true
	// wrong content: false
}

// Every problem has its line and key, and says what is wrong and what would be right.
func ExampleProblems() {
	_, err := config.Parse("fulcrum.toml", []byte(file+"  wieght = 2\n"+`
[[service]]
name = "mail"
address = "10.0.0.101"
protocol = "tcp"
mode = "tunnel"
`))
	problems, _ := errors.AsType[config.Problems](err)
	for _, p := range problems {
		fmt.Printf("line %d, %s\n  wrong: %s\n  right: %s\n", p.Line, p.Key, p.What, p.Right)
	}
	// Output:
	// line 18, service.real_server.wieght
	//   wrong: unknown key
	//   right: did you mean "weight"?
	// line 22, service.address
	//   wrong: invalid address with port "10.0.0.101"
	//   right: write an address with a port, such as "10.0.0.1:80" or "[fd00::1]:80"
	// line 24, service.mode
	//   wrong: unknown mode "tunnel"
	//   right: use one of dr, nat, fullnat, ipip
}

// RenderServices writes the services alone; Render writes a whole file.
func ExampleRenderServices() {
	c := mustParse(file).Clone()
	c.Services[0].RealServers[0].Weight = 0
	fmt.Print(config.RenderServices(c.Services))
	// Output:
	// [[service]]
	// name     = "web"
	// address  = "10.0.0.100:80"
	// protocol = "tcp"
	// mode     = "dr"
	//
	//   [[service.real_server]]
	//   address = "10.0.0.11:80"
	//   weight  = 0
}

// Parse reads what Render writes.
func ExampleConfig_Render() {
	c := mustParse(file)
	again := mustParse(c.Render())
	fmt.Println(again.Render() == c.Render())
	// Output: true
}

// Rewrite changes a file to say what runs, and keeps the rest of it.
func ExampleRewrite() {
	text := file + "  weight  = 2  # half of what it can do\n"
	next := mustParse(text).Clone()
	next.Services[0].RealServers[0].Weight = 1
	next.Services[0].Scheduler = lvs.RR

	result, kept := config.Rewrite("fulcrum.toml", text, next)
	fmt.Println(kept)
	fmt.Print(result[strings.Index(result, "[[service]]"):])
	// Output:
	// true
	// [[service]]
	// name = "web"
	// address = "10.0.0.100:80"
	// protocol = "tcp"
	// mode = "dr"
	// scheduler = "rr"
	//
	//   [[service.real_server]]
	//   address = "10.0.0.11:80"
	//   weight  = 1  # half of what it can do
}

// A Site checks the change of one service against all others. A refused change leaves the site as
// it was.
func ExampleSite_Change() {
	c := mustParse(file)
	site := config.NewSite(c)
	web := &c.Services[0]

	drained := *web
	drained.RealServers = []config.RealServer{{Address: web.RealServers[0].Address, Weight: 0}}
	fmt.Println("drain:", site.Change(web, &drained))

	mail := drained
	mail.Name = "mail"
	problems, _ := errors.AsType[config.Problems](site.Change(nil, &mail))
	for _, p := range problems {
		fmt.Println("add:", p.What)
		fmt.Println("    ", p.Right)
	}

	fmt.Println("remove:", site.Change(&drained, nil))
	// Output:
	// drain: <nil>
	// add: tcp 10.0.0.100:80 is the address of service "web"
	//      change the address, port or protocol
	// remove: <nil>
}

func ExampleConfig_PortTo() {
	c := mustParse(file)
	port, known := c.PortTo(netip.MustParseAddr("10.0.0.11"))
	fmt.Println(c.Ports[port].Name, known)
	_, known = c.PortTo(netip.MustParseAddr("192.0.2.1"))
	fmt.Println(known)
	// Output:
	// front true
	// false
}

func ExampleParseLocalAddresses() {
	addresses, err := config.ParseLocalAddresses([]string{"10.1.0.50-10.1.0.52", "10.1.0.52"})
	fmt.Println(addresses, err)

	_, err = config.ParseLocalAddresses([]string{"10.1.0.52-10.1.0.50"})
	problems, _ := errors.AsType[config.Problems](err)
	fmt.Println(problems[0].What)
	// Output:
	// [10.1.0.50 10.1.0.51 10.1.0.52] <nil>
	// invalid address range "10.1.0.52-10.1.0.50"
}
