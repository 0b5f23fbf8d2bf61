package api_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"fulcrum/api"
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

// A Client changes a weight through the control socket of a director.
func ExampleClient() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	socket := filepath.Join(folder, "control.sock")
	server, err := api.ServeSocket(api.Socket{Path: socket}, newHandler(), slog.New(slog.DiscardHandler))
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	ctx, client := context.Background(), api.NewClient(socket)
	weight := 3
	change := control.RealServerChange{Weight: &weight}
	var done control.Plan
	err = client.Do(ctx, http.MethodPatch, api.ServerPath("web", "10.0.0.11:80"), change, &done)
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range done.Changes {
		fmt.Printf("%s %s: %s\n", c.Action, c.Object, c.Detail)
	}
	// An error that the director returned is an *api.Problem with its HTTP status.
	err = client.Do(ctx, http.MethodPatch, api.ServerPath("web", "10.0.0.12:80"), change, nil)
	fmt.Println(err)

	// Output:
	// change real server 10.0.0.11:80 of web: weight 1 -> 3
	// service "web" has no real server 10.0.0.12:80
}

// newHandler returns the control API of a director with one port in memory.
func newHandler() http.Handler {
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
	return api.NewHandler(control.NewRunning(e, c), e, control.NewMetrics(c, e.Report), nil)
}
