package keepalived

import (
	"net"
	"strconv"
	"time"

	"fulcrum/config"
	"fulcrum/lvs"
)

const (
	// defaultPersistence is that of persistence_timeout without a value.
	defaultPersistence = 6 * time.Minute
	// mostPersistence is the most that a service takes, in seconds: a week.
	mostPersistence = 7 * 24 * 60 * 60
	mostSeconds     = 1<<31 - 1
)

// takePersistence reads persistence_timeout. 0 asks for none.
func (i *importer) takePersistence(s *service, e *entry) {
	seconds := int(defaultPersistence / time.Second)
	if len(e.words) > 1 {
		seconds = i.number(e, 0, mostSeconds)
	}
	if seconds > mostPersistence {
		seconds = mostPersistence
		i.Leave(e.place, e.String(), "persistence is at most 168h, which is used")
	}
	s.Persistence = time.Duration(seconds) * time.Second
}

// takeEngine sets the persistence engine of a virtual server, which may stand in front of what it
// needs.
func (i *importer) takeEngine(s *service) {
	if s.engine == nil {
		return
	}
	e := s.engine
	of, known := lvs.ParsePersistenceEngine(e.value())
	switch {
	case !known:
		i.Leave(e.place, e.String(), "the persistence engine that there is is "+lvs.EngineSIP.String())
	case s.Persistence == 0:
		i.Leave(e.place, e.String(), "has no effect without persistence_timeout")
	case s.Protocol != of.Protocol():
		i.Leave(e.place, e.String(), "is for protocol UDP only")
	default:
		s.PersistenceEngine = of
	}
}

// mask returns the persistence mask of a virtual server for one of its services: of IPv4 a netmask,
// of IPv6 a prefix length.
func (i *importer) mask(s *service, c config.Service) int {
	whole, is4 := config.WholeMask(c.Address), c.Address.Addr().Is4()
	if s.granularity == nil {
		return whole
	}
	text := s.granularity.value()
	n, err := strconv.Atoi(text)
	if mask := net.ParseIP(text).To4(); is4 && mask != nil {
		n, _ = net.IPMask(mask).Size()
	} else if is4 || err != nil {
		n = 0
	}
	if n < 1 || n > whole {
		i.Leave(s.granularity.place, s.granularity.String(), "is no mask for "+comesTo(c))
		return whole
	}
	return n
}
