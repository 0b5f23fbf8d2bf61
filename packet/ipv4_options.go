package packet

// Options of an IPv4 header (RFC 791, 3.1) that Parse has to know.
const (
	optionEnd               = 0
	optionNoOperation       = 1
	optionLooseSourceRoute  = 131
	optionStrictSourceRoute = 137
)

// optionsPassable reports whether the options are all there and none of them is a source route, by which a sender would choose the way of
// the packet, and of the answer: RFC 7126, 4.3 and 4.4 have routers drop those, as hosts do unless told otherwise. What the others
// say is for the hosts at the ends of the way.
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
