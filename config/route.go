package config

// readRoute returns a route, and the name of its port, which is empty unless it is given.
func readRoute(t *table) (Route, string) {
	defer t.done()
	return Route{
		To:  t.need("to", `give the destination, such as to = "0.0.0.0/0"`).subnet(),
		Via: t.need("via", `name the gateway, such as via = "10.0.0.254"`).address(),
	}, t.get("port").portName()
}

// readNeighbour returns a neighbour, and the name of its port, which is empty unless it is given.
func readNeighbour(t *table) (Neighbour, string) {
	defer t.done()
	return Neighbour{
		Address: t.need("address", addressForm).address(),
		MAC:     t.need("mac", hardwareForm).hardware(),
	}, t.get("port").portName()
}

// portName returns the name of a port, or "" if the value is absent.
func (v value) portName() string {
	if !v.given() {
		return ""
	}
	return v.name()
}
