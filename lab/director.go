package lab

import (
	"context"
	_ "embed" // the template of the director's configuration
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"text/template"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"fulcrum/lvs"
)

//go:embed director.toml.tmpl
var directorTemplate string

var directorConfig = template.Must(template.New("director.toml").Parse(directorTemplate))

// readyPhrase is in the director's log once packets flow.
const readyPhrase = "director ready"

// configuration holds the values of the template.
type configuration struct {
	Mode        lvs.Mode
	Scheduler   lvs.Scheduler
	Workers     string // their CPUs
	Control     string // the control API's socket
	Ports       []directorPort
	Host        bool   // ports have host interfaces
	Keep        string // the folder of sessions, or ""
	Router      netip.Addr
	Local       []netip.Addr // only if the mode needs them
	Web, Echo   netip.AddrPort
	RealServers []RealServer
	Checks      *Checks // of the web service; may be nil
}

// DirectorFile writes the director's configuration and returns its name.
func (l *Lab) DirectorFile() (string, error) {
	workers, err := workerCPUs(l.config.Workers)
	if err != nil {
		return "", err
	}
	if l.user != nil {
		file := l.file("director.toml")
		return file, l.user.write(file, workers, l.ControlSocket())
	}
	values := configuration{
		Mode: l.config.Mode, Scheduler: l.config.Scheduler, Workers: tomlList(workers), Control: l.ControlSocket(),
		Ports: l.plan.ports, Host: l.config.Host, Router: host(l.plan.frontNet, hostRouter),
		Web: l.plan.web, Echo: l.plan.echo, RealServers: l.plan.realServers,
		Checks: l.config.Checks,
	}
	if l.config.KeepSessions {
		values.Keep = l.file("keep")
	}
	if l.config.Mode.Source() == lvs.Local {
		values.Local = l.plan.local
	}
	file, err := os.Create(l.file("director.toml"))
	if err != nil {
		return "", fmt.Errorf("writing the director's configuration: %w", err)
	}
	if err := errors.Join(directorConfig.Execute(file, values), file.Close()); err != nil {
		return "", fmt.Errorf("writing the director's configuration: %w", err)
	}
	return file.Name(), nil
}

// ControlSocket returns the path of the director's control socket.
func (l *Lab) ControlSocket() string { return l.file(controlSocket) }

// controlSocket is the name of the socket in the lab's folder.
const controlSocket = "control.sock"

// workerCPUs returns a CPU for each of n workers: those that this process may use, in turn.
func workerCPUs(n int) (list []int, err error) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return nil, fmt.Errorf("finding out which CPUs may be used: %w", err)
	}
	var cpus []int
	for cpu := range len(allowed) * 64 {
		if allowed.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	for i := range n {
		list = append(list, cpus[i%len(cpus)])
	}
	return list, nil
}

func tomlList(numbers []int) string {
	return strings.Join(strings.Fields(fmt.Sprint(numbers)), ", ")
}

// StartDirector starts the director and waits until it is ready.
func (l *Lab) StartDirector(ctx context.Context) error {
	if c := l.children[roleDirector]; c != nil && !c.gone() {
		return fmt.Errorf("starting the director: it runs already, as process %d", c.PID)
	}
	file, err := l.DirectorFile()
	if err != nil {
		return err
	}
	_, err = l.startChild(ctx, roleDirector, readyPhrase, "run", "--config", file, "--report",
		l.file("report.json"))
	if err == nil && l.config.Host {
		err = l.namespace(roleDirector).do(l.routeHost)
	}
	return err
}

// routeHost gives the current namespace, the director's, its default route. The kernel keeps it
// with the host interface.
func (l *Lab) routeHost() error {
	link, err := netlink.LinkByName("ful-front")
	if err != nil {
		return fmt.Errorf("finding the host interface: %w", err)
	}
	router := host(l.plan.frontNet, hostRouter)
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: router.AsSlice()}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("adding the default route over the host interface: %w", err)
	}
	return nil
}

// StopDirector ends the director with SIGTERM and returns its report.
func (l *Lab) StopDirector() (*Report, error) {
	c := l.children[roleDirector]
	if c == nil || c.gone() {
		return nil, errors.New("stopping the director: it does not run")
	}
	if err := c.stop(); err != nil {
		return nil, fmt.Errorf("%w; the end of its log:\n%s", err, l.Log(roleDirector))
	}
	return l.readReport()
}

// KillDirector ends the director with SIGKILL, as a crash would. There is no report.
func (l *Lab) KillDirector() error {
	c := l.children[roleDirector]
	if c == nil || c.gone() {
		return errors.New("killing the director: it does not run")
	}
	return errors.Join(c.kill(), c.removeDPDK())
}

// RestartDirector stops the director and starts a new one on the same configuration. It returns the
// old one's report.
func (l *Lab) RestartDirector(ctx context.Context) (*Report, error) {
	report, err := l.StopDirector()
	if err != nil {
		return nil, err
	}
	return report, l.StartDirector(ctx)
}

func (l *Lab) readReport() (*Report, error) {
	text, err := os.ReadFile(l.file("report.json"))
	if err != nil {
		return nil, fmt.Errorf("reading the director's report: %w", err)
	}
	report := &Report{}
	if err := json.Unmarshal(text, report); err != nil {
		return nil, fmt.Errorf("reading the director's report: %w", err)
	}
	return report, nil
}
