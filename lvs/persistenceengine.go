package lvs

// PersistenceEngine is what finds a template besides the client's network (PE in IPVS).
type PersistenceEngine uint8

// The persistence engines.
const (
	NoEngine  PersistenceEngine = iota // by the client's network alone
	EngineSIP                          // by the Call-ID of SIP messages over UDP
)

// engines is the one table of persistence engines: IPVS's names, and the protocol that they read.
var engines = [...]struct {
	name     string
	protocol Protocol
}{EngineSIP: {"sip", UDP}}

// PersistenceEngines returns all engines without NoEngine.
func PersistenceEngines() []PersistenceEngine { return []PersistenceEngine{EngineSIP} }

// ParsePersistenceEngine returns the engine of a name; NoEngine and false for any other.
func ParsePersistenceEngine(name string) (PersistenceEngine, bool) {
	for _, e := range PersistenceEngines() {
		if engines[e].name == name {
			return e, true
		}
	}
	return NoEngine, false
}

// String returns IPVS's name, or "" for NoEngine.
func (e PersistenceEngine) String() string { return engines[e].name }

// Protocol returns the protocol of services that the engine can read; zero for NoEngine.
func (e PersistenceEngine) Protocol() Protocol { return engines[e].protocol }
