package config

// Warnings returns what the settings of a valid configuration open that is closed by default, one
// sentence each.
func (c *Config) Warnings() []string {
	if !c.Session.RouteUnmatched {
		return nil
	}
	return []string{"session.route_unmatched: real servers of nat services can reach every network " +
		"of the director, and hosts of these networks can reach the real servers; " +
		"filter what must not pass"}
}
