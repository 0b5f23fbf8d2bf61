package keepalived

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"fulcrum/config"
)

// keepalived's defaults, and the bounds of config.
const (
	defaultLoop    = time.Minute
	defaultTimeout = 5 * time.Second
	leastInterval  = 10 * time.Millisecond
	mostInterval   = time.Hour
	mostFall       = 1000
)

// Why parts of checks are not carried over.
const (
	oneCheck   = "a real server has one check: %s is used"
	onePage    = "a check has one page: the first one is used"
	oneAddress = "a check has one address: the first one is used"
	noPause    = "a check is repeated after delay_loop: lower that to find a failure sooner"
	noWarmup   = "checks are spread over delay_loop"
	noOverlap  = "a check ends before the next one begins: delay_loop is its timeout"
)

// unchecked is the check of a real server that has none.
var unchecked = config.OwnHealthOf(config.Health{})

// checking is a check of a real server that is being read.
type checking struct {
	*importer
	*entry
	kind   *kind
	levels []options // the innermost first
	h      config.Health
	absent bool // it was listed as not carried over

	page, host *entry            // the first url, the first host
	regex      map[string]*entry // keys of the page about its body
	reply      bool              // require_reply
	script     option            // misc_timeout
}

// checkAll reads the checks of a virtual server's real servers. It runs after the whole block has
// been read, since options may follow the real servers.
func (i *importer) checkAll(s *service) {
	for n := range s.servers {
		rs := &s.servers[n]
		rs.Health = unchecked
		if e := i.chosen(rs); e != nil {
			rs.Health = i.check(e, rs.options, s.options)
		}
	}
}

// chosen returns the check that a real server gets: of several the first of those that say most.
func (i *importer) chosen(rs *server) *entry {
	var best *entry
	for _, e := range rs.checks {
		if best == nil || kinds[e.words[0]].says > kinds[best.words[0]].says {
			best = e
		}
	}
	for _, e := range rs.checks {
		if e != best {
			i.Leave(e.place, e.words[0], fmt.Sprintf(oneCheck, best.words[0]))
		}
	}
	return best
}

// check reads a check.
func (i *importer) check(e *entry, outer ...options) config.OwnHealth {
	c := checking{importer: i, entry: e, kind: kinds[e.words[0]], regex: map[string]*entry{}}
	c.h = config.NewHealth(c.kind.of)
	own := options{}
	for _, x := range e.block {
		if c.key(x) || i.takeOption(&own, x, true) {
			continue
		}
		i.leaveKey(x)
	}
	c.levels = append([]options{own}, outer...)
	c.takeRules()
	c.takeTimeout()
	if c.kind.finish != nil {
		c.kind.finish(&c)
	}
	if c.verify(); c.absent {
		return unchecked
	}
	return config.OwnHealthOf(c.h)
}

// leaveOut lists the whole check, with the reason.
func (c *checking) leaveOut(why string) {
	c.Leave(c.place, c.words[0], why)
	c.absent = true
}

// verify leaves a check out that Fulcrum cannot make.
func (c *checking) verify() {
	if c.absent {
		return
	}
	texts := strings.Join([]string{c.h.Path, c.h.Body, c.h.Query, string(c.h.Command)}, "\x00")
	if _, err := c.h.Check(); err != nil {
		c.leaveOut("the real server is not checked: " + err.Error())
	} else if !utf8.ValidString(texts) {
		c.leaveOut("the real server is not checked: a text is not UTF-8")
	}
}

// key takes a key that only checks have. It is false for others.
func (c *checking) key(e *entry) bool {
	take := c.kind.keys[e.words[0]]
	if take == nil {
		take = connecting[e.words[0]]
	}
	if take == nil {
		return false
	}
	take(c, e)
	return true
}

// connecting are the keys that say where a check goes. Those of absentKinds are listed.
var connecting = map[string]func(*checking, *entry){
	"connect_ip":   func(c *checking, e *entry) { c.h.Address = c.where(e) },
	"bindto":       func(c *checking, e *entry) { c.h.Source = c.where(e) },
	"connect_port": func(c *checking, e *entry) { c.h.Port = c.number(e, 1, 1<<16-1) },
	"warmup":       func(c *checking, e *entry) { c.Leave(e.place, "warmup", noWarmup) },
}

// where parses an address of a check, which may be one of this host.
func (c *checking) where(e *entry) netip.Addr {
	a, err := netip.ParseAddr(e.value())
	if err != nil {
		c.Wrong(e.place, "invalid %s %q: write an IPv4 or IPv6 address%s", e.words[0], e.value(),
			hint(e.value()))
	}
	return a.Unmap()
}

// option returns the innermost option of a name.
func (c *checking) option(name string) (option, bool) {
	for _, level := range c.levels {
		if o, ok := level[name]; ok {
			return o, true
		}
	}
	return option{}, false
}

// takeRules says when the check is made, and what its results mean. One good result brings a real
// server up in keepalived, and retry more bad ones after the first take it down.
func (c *checking) takeRules() {
	c.h.Rise, c.h.Interval = 1, c.interval()
	more := c.kind.retry
	if o, ok := c.option("retry"); ok {
		more = o.number
	}
	if c.h.Fall = min(more, mostFall-1) + 1; c.h.Fall <= more {
		c.Leave(c.place, "retry", fmt.Sprintf("fall is at most %d, which is used", mostFall))
	}
	if more > 0 {
		c.leavePause()
	}
	if o, ok := c.option("alpha"); ok {
		c.h.Down = o.yes
	}
	if o, ok := c.option("inhibit_on_failure"); ok && o.yes {
		c.h.OnFail = config.FailDrain
	}
}

func (c *checking) interval() time.Duration {
	o, ok := c.option("delay_loop")
	if !ok {
		return defaultLoop
	}
	d := min(max(o.time, leastInterval), mostInterval)
	if d != o.time {
		c.Leave(o.place, o.String(), "an interval is from 10ms to 1h: the nearest is used")
	}
	return d
}

// leavePause notes that bad results are not confirmed after another time than delay_loop.
func (c *checking) leavePause() {
	at, pause := c.place, c.kind.pause
	if pause == 0 {
		pause = c.h.Interval
	}
	if o, ok := c.option("delay_before_retry"); ok {
		at, pause = o.place, o.time
	}
	if pause != c.h.Interval {
		c.Leave(at, "delay_before_retry", noPause)
	}
}

// takeTimeout sets the timeout, which keepalived has beside delay_loop.
func (c *checking) takeTimeout() {
	name, timeout := "connect_timeout", defaultTimeout
	o, stated := c.option(name)
	if c.h.Type == config.CheckExec {
		name, timeout = "misc_timeout", c.h.Interval
		o, stated = c.script, c.script.entry != nil
	}
	at := c.place
	if stated {
		at, timeout = o.place, o.time
	}
	if timeout > c.h.Interval {
		c.Leave(at, name, noOverlap)
	}
	c.h.Timeout = min(max(timeout, leastInterval), c.h.Interval)
}

// fixTarget gives a real server's check an address and a port only where they are not the real
// server's: the check's own, or the port of the file. It leaves out a check without port.
func (i *importer) fixTarget(rs *server, inFile uint16) {
	h := rs.Health.Or(config.Health{})
	if h.Address == rs.Address.Addr() {
		h.Address = netip.Addr{}
	}
	if h.NeedsPort() {
		h.Port = cmp.Or(h.Port, int(inFile), int(rs.Address.Port()))
		if h.Port == 0 {
			i.Leave(rs.place, rs.String(), "is not checked: its check needs connect_port")
			h = config.Health{}
		}
		if h.Port == int(rs.Address.Port()) {
			h.Port = 0
		}
	}
	rs.Health = config.OwnHealthOf(h)
}

// shareHealth moves the check that most real servers of a service have to the service.
func shareHealth(c *config.Service) {
	if len(c.RealServers) == 0 {
		return
	}
	common := commonHealth(c.RealServers)
	c.Health = common.Or(config.Health{})
	for n := range c.RealServers {
		if rs := &c.RealServers[n]; rs.Health == common {
			rs.Health = config.OwnHealth{}
		}
	}
}

// commonHealth returns the check of all real servers. If they differ it is the most frequent one
// without its addresses, which a real server's own table could not take back.
func commonHealth(all []config.RealServer) config.OwnHealth {
	count := map[config.OwnHealth]int{}
	for _, rs := range all {
		count[rs.Health]++
	}
	if len(count) == 1 {
		return all[0].Health
	}
	clear(count)
	common := unchecked
	for _, rs := range all {
		h := rs.Health.Or(config.Health{})
		h.Address, h.Source = netip.Addr{}, netip.Addr{}
		own := config.OwnHealthOf(h)
		count[own]++
		if count[own] > count[common] {
			common = own
		}
	}
	return common
}
