package packet

// Options of an IPv4 header (RFC 791, 3.1) that Parse checks.
const (
	optionEnd               = 0
	optionNoOperation       = 1
	optionLooseSourceRoute  = 131
	optionStrictSourceRoute = 137
)

// optionsPassable reports whether the options are complete and contain no source route. A source
// route lets the sender choose the path of the packet and of its answer. Routers drop it (RFC
// 7126, 4.3 and 4.4), and so do hosts by default. The other options are for the end hosts.
func optionsPassable(options []byte) bool {
	for len(options) > 0 {
		switch options[0] {
		case optionEnd:
			return true
		case optionNoOperation:
			options = options[1:]
			continue
		case optionLooseSourceRoute, optionStrictSourceRoute:
			return false
		}
		if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
			return false
		}
		options = options[options[1]:]
	}
	return true
}
