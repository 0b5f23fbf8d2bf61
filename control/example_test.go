package control_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/engine"
	"fulcrum/ports"
	"fulcrum/ports/memory"
)

const exampleFile = `
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24"]
[session]
max = 100
[[service]]
name = "web"
address = "10.0.0.100:80"
protocol = "tcp"
mode = "nat"
  [[service.real_server]]
  address = "10.0.0.11:80"
`

// A change returns the plan of what it changed. Rollback undoes the last change.
func ExampleRunning() {
	running := newRunning()
	defer running.Close()

	show := func(plan control.Plan, err error) {
		if err != nil {
			fmt.Println(err)
		}
		for _, c := range plan.Changes {
			fmt.Printf("%s %s: %s\n", c.Action, c.Object, c.Detail)
		}
	}
	weight := 3
	server := control.ServerID{Service: "web", Server: "10.0.0.11:80"}
	show(running.ChangeRealServer(context.Background(), server, control.RealServerChange{Weight: &weight}))
	show(running.Rollback(context.Background()))
	_, err := running.Rollback(context.Background())
	fmt.Println(errors.Is(err, control.ErrNothingBefore))

	// Output:
	// change real server 10.0.0.11:80 of web: weight 1 -> 3
	// change real server 10.0.0.11:80 of web: weight 3 -> 1
	// true
}

// newRunning returns the running configuration of an engine with one port in memory.
func newRunning() *control.Running {
	c, err := config.Parse("example.toml", []byte(exampleFile))
	if err != nil {
		log.Fatal(err)
	}
	pool, err := memory.NewPool(64)
	if err != nil {
		log.Fatal(err)
	}
	settings := control.EngineConfig(c)
	settings.Ports = []ports.Port{memory.NewPort(memory.Config{Name: "front", Pool: pool, Queues: 1})}
	e, err := engine.New(settings, control.EngineSettings(c))
	if err != nil {
		log.Fatal(err)
	}
	return control.NewRunning(e, c)
}
