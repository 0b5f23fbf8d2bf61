package config

func readRoute(t *table) Route {
	defer t.done()
	return Route{
		To:  t.need("to", `give the destination, such as to = "0.0.0.0/0"`).subnet(),
		Via: t.need("via", `name the gateway, such as via = "10.0.0.254"`).address(),
	}
}

func readNeighbour(t *table) Neighbour {
	defer t.done()
	return Neighbour{
		Address: t.need("address", addressForm).address(),
		MAC:     t.need("mac", hardwareForm).hardware(),
	}
}
