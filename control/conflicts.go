package control

import (
	"time"

	"fulcrum/engine"
)

// AddressConflict is another station's claim to an address of the director.
type AddressConflict struct {
	Address string    `json:"address"`
	Port    string    `json:"port"` // where the station was heard
	MAC     string    `json:"mac"`  // of the station that was heard last
	Claims  uint64    `json:"claims"`
	Last    time.Time `json:"last"` // when it was heard last
}

// Conflicts returns the addresses of the director that other stations claimed in the last hour, the
// last one first.
func (r *Running) Conflicts() []AddressConflict {
	ports := r.Config().Ports
	all := []AddressConflict{} // JSON shows an empty list, not null
	for _, c := range r.engine.Conflicts() {
		all = append(all, newConflict(c, ports[c.Port].Name))
	}
	return all
}

func newConflict(c engine.Conflict, port string) AddressConflict {
	return AddressConflict{
		Address: c.Address.String(), Port: port, MAC: c.MAC.String(), Claims: c.Claims,
		Last: time.Now().Add(-c.Age).Truncate(time.Millisecond),
	}
}
