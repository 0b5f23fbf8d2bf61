package config

import "slices"

// VIPOwner says who decides whether the director holds the VIPs of a service.
type VIPOwner uint8

// The values of Service.VIPOwner.
const (
	// OwnedByDirector: the director holds the VIPs, as Service.Announce says.
	OwnedByDirector VIPOwner = iota
	// OwnedByHost: the director holds a VIP while a host interface has its address. A VIP that no
	// host interface has is passive.
	OwnedByHost
)

var vipOwnerNames = []string{OwnedByDirector: "director", OwnedByHost: "host"}

var vipOwners = choices{noun: "owner of VIPs", supported: vipOwnerNames}

// String returns the value as in a file.
func (o VIPOwner) String() string { return vipOwnerNames[o] }

// vipOwner returns who owns VIPs.
func (v value) vipOwner() VIPOwner {
	if v.choice(OwnedByDirector.String(), vipOwners) == OwnedByHost.String() {
		return OwnedByHost
	}
	return OwnedByDirector
}

// ParseVIPOwner parses the owner of VIPs in the file's notation. Its error is always of type
// Problems.
func ParseVIPOwner(name string) (VIPOwner, error) {
	if err := vipOwners.check("service.vip_owner", name); err != nil {
		return OwnedByDirector, err
	}
	if name == OwnedByHost.String() {
		return OwnedByHost, nil
	}
	return OwnedByDirector, nil
}

// HasHost reports whether a port has a host interface.
func (c *Config) HasHost() bool {
	return slices.ContainsFunc(c.Ports, func(p Port) bool { return p.Host != "" })
}

// follows reports whether a port has addresses and routes that are in no file.
func (c *Config) follows() bool {
	return slices.ContainsFunc(c.Ports, func(p Port) bool { return p.Follow })
}

// checkFollow reports a port that is to follow no host interface.
func (c *checker) checkFollow(i int) {
	if p := c.Ports[i]; p.Follow && p.Host == "" {
		c.at("port", i, "follow").report("the port has no host interface to follow",
			`give it one with host = "ful-front", or leave the key out`)
	}
}

// checkVIPOwner reports a service whose VIPs no host interface can hold.
func (c *checker) checkVIPOwner(i int) {
	s, v := &c.Services[i], c.at("service", i, "vip_owner")
	if s.VIPOwner != OwnedByHost {
		return
	}
	if !c.HasHost() {
		v.report("no port has a host interface that could hold the VIP",
			`give a port one with host = "ful-front", or leave the key out`)
		return
	}
	for _, m := range c.Claims(s) {
		if !m.OneAddress() {
			v.reportf("give single addresses, or leave the key out",
				"%s is a range, which no host interface holds", m.Destination())
			return
		}
	}
	for _, vip := range c.VIPs(s) {
		if who, held := holder(vip, c.own); held {
			v.reportf("leave the key out, or use a VIP that is not a port's address",
				"%s is %s, which the director always answers for", vip, who)
			return
		}
	}
}
