package ipvsadm

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"fulcrum/config"
	"fulcrum/lvs"
)

// maxLine bounds a line of the rules, in bytes. A service with the maximum of IPv6 local
// addresses takes 160 KiB.
const maxLine = 256 << 10

// restorable are the operations that rules may contain.
var restorable = []Operation{
	AddService, AddServer, EditService, EditServer, DeleteService, DeleteServer, Clear,
}

// ReadRules reads rules in the form of ipvsadm-save -n and -S: one command a line, with #
// comments. An error names the line. Each command has its Line set.
func ReadRules(r io.Reader) ([]Command, error) {
	var all []Command
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	n := 1
	for ; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		k, err := Parse(words)
		if err == nil && !slices.Contains(restorable, k.Operation) {
			err = usage("%s cannot be restored: rules consist of -A, -a, -E, -e, -D, -d and -C", k.Operation)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		k.Line = n
		all = append(all, k)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read the rules: line %d: %w", n, err)
	}
	return all, nil
}

// WriteRules writes the configuration's services as rules for -R. They keep their order, since
// the order of real servers decides between equals.
func WriteRules(w io.Writer, c *config.Config) error {
	rules := bufio.NewWriter(w)
	for _, s := range c.Services {
		name, err := ruleOf(&s)
		if err != nil {
			return err
		}
		fmt.Fprintf(rules, "-A %s -s %s", name, s.Scheduler)
		if flags := s.Scheduler.FlagNames(s.SchedulerFlags); len(flags) > 0 {
			fmt.Fprintf(rules, " -b %s", strings.Join(flags, ","))
		}
		fmt.Fprint(rules, persistenceRule(&s))
		if s.OnePacket {
			fmt.Fprint(rules, " -o")
		}
		if s.HasLocals() {
			var all []string
			for _, a := range s.LocalAddresses {
				all = append(all, a.String())
			}
			fmt.Fprintf(rules, " %s --local-address %s", localMode().Flag(), strings.Join(all, ","))
		}
		fmt.Fprintln(rules)
		for _, rs := range s.RealServers {
			writeRule(rules, name, s.ModeOf(rs), rs)
		}
	}
	return rules.Flush()
}

// ruleOf names a service in a rule. Services with ranges or several matches have no rules: part of
// a configuration as rules would lose the rest.
func ruleOf(s *config.Service) (string, error) {
	id := s.ID()
	switch {
	case id.Mark != 0 && id.Is6():
		return fmt.Sprintf("-f %d -6", id.Mark), nil
	case id.Mark != 0:
		return fmt.Sprintf("-f %d", id.Mark), nil
	case len(s.Addresses) > 1 || !id.Single() && (!isAllPorts(id) || s.Persistence == 0):
		return "", fmt.Errorf("service %s has several addresses or ports, which ipvsadm's rules cannot "+
			"say: save the configuration with fulcrum config show", s.Name)
	}
	return id.Protocol.Flag() + " " + id.Address.String(), nil
}

func writeRule(w io.Writer, service string, mode lvs.Mode, rs config.RealServer) {
	fmt.Fprintf(w, "-a %s -r %s %s -w %d", service, rs.Address, mode.Flag(), rs.Weight)
	if mode.Path() == lvs.Tunnel {
		fmt.Fprintf(w, " --tun-type %s", mode.TunnelType())
	}
	if rs.UpperThreshold > 0 {
		fmt.Fprintf(w, " -x %d", rs.UpperThreshold)
	}
	if rs.LowerThreshold > 0 {
		fmt.Fprintf(w, " -y %d", rs.LowerThreshold)
	}
	fmt.Fprintln(w)
}
