package lvs

// OwnMode is the mode that a real server states for itself. The zero value states none: the mode is
// the service's, also after the service gets another one.
type OwnMode uint8

// AsService states no mode.
const AsService OwnMode = 0

// Own states a mode.
func Own(m Mode) OwnMode { return OwnMode(m) + 1 }

// Or returns the mode of a real server whose service has a mode.
func (o OwnMode) Or(service Mode) Mode {
	if o == AsService {
		return service
	}
	return Mode(o - 1)
}

// String returns the mode's name in the configuration.
func (o OwnMode) String() string {
	if o == AsService {
		return "the service's"
	}
	return Mode(o - 1).String()
}
