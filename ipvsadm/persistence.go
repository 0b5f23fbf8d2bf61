package ipvsadm

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"fulcrum/config"
	"fulcrum/lvs"
)

// defaultPersistence is the timeout of -p without one, in seconds: what ipvsadm 1.31 sends
// (IPVS_SVC_PERSISTENT_TIMEOUT in its libipvs/libipvs.h). Its manual says 300.
const defaultPersistence = 360

func persistenceTimeout(c *Command, v string) error {
	if c.Persistence = defaultPersistence; v == "" {
		return nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > mostTimeout {
		return usage("invalid persistence timeout %q: write seconds from 1 to %d", v, mostTimeout)
	}
	c.Persistence = n
	return nil
}

func persistenceEngine(c *Command, v string) (err error) {
	if c.Engine, err = config.ParsePersistenceEngine(v); err != nil || v == "" {
		return usage("unknown persistence engine %q: the one that there is is %s", v, lvs.EngineSIP)
	}
	return nil
}

func persistenceMask(c *Command, v string) error { c.Mask = v; return nil }

// maskBits returns the prefix length of the command's netmask: an address for IPv4, and a number
// for IPv6. Its errors begin with ipvsadm's words.
func (k *Command) maskBits() (int, error) {
	whole := config.WholeMask(k.Service.Address)
	if k.Mask == "" {
		return whole, nil
	}
	if k.Service.Address.Addr().Is6() {
		if n, err := strconv.Atoi(k.Mask); err == nil && n >= 1 && n <= whole {
			return n, nil
		}
		return 0, usage("illegal ipv6 netmask specified: %q: write a number from 1 to 128", k.Mask)
	}
	for n := 1; n <= whole; n++ {
		if dotted(n) == k.Mask {
			return n, nil
		}
	}
	return 0, usage("illegal virtual server persistent mask specified: %q: write one such as %s",
		k.Mask, dotted(24))
}

// dotted returns an IPv4 netmask of a prefix length.
func dotted(bits int) string {
	mask := ^uint32(0) << (32 - bits)
	return netip.AddrFrom4([4]byte{
		byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask),
	}).String()
}

// toPersistence makes a service persistent for as long as the command says.
func (k *Command) toPersistence(s *config.Service) (err error) {
	s.Persistence = time.Duration(k.Persistence) * time.Second
	s.PersistenceEngine = k.Engine
	s.PersistenceMask, err = k.maskBits()
	return err
}

// maskOf returns the netmask of a service as ipvsadm writes it; empty for single clients.
func maskOf(vip netip.AddrPort, bits int) string {
	switch whole := config.WholeMask(vip); {
	case bits == 0 || bits == whole:
		return ""
	case vip.Addr().Is6():
		return strconv.Itoa(bits)
	}
	return dotted(bits)
}

// seconds returns a persistence timeout in whole seconds, rounded up: 0 is not persistent.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// persistenceRule returns the options of a service's persistence.
func persistenceRule(s *config.Service) string {
	if s.Persistence == 0 {
		return ""
	}
	text := fmt.Sprintf(" -p %d", seconds(s.Persistence))
	if mask := maskOf(s.Address, s.PersistenceMask); mask != "" {
		text += " -M " + mask
	}
	if s.PersistenceEngine != lvs.NoEngine {
		text += " --pe " + s.PersistenceEngine.String()
	}
	return text
}

// persistenceFlag returns a service's persistence as ipvsadm lists it behind the scheduler.
func (s *Service) persistenceFlag() string {
	if s.Persistence == 0 {
		return ""
	}
	text := fmt.Sprintf(" persistent %d", seconds(s.Persistence))
	if mask := maskOf(s.ID.Address, s.Mask); mask != "" {
		text += " mask " + mask
	}
	if s.Engine != lvs.NoEngine {
		text += " pe " + s.Engine.String()
	}
	return text
}
