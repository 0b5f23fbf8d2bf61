package config

const (
	defaultMemory = 512 * mib
	leastMemory   = 64 * mib // for the EAL and the mempools of two ports with default descriptors
	mostMemory    = tib
)

func readDPDK(t *table) DPDK {
	defer t.done()
	return DPDK{
		Hugepages: t.get("hugepages").choice(HugePagesAuto, hugePages),
		Memory:    t.get("memory").size(defaultMemory, leastMemory, mostMemory),
		Args:      t.get("args").words(),
	}
}

// words returns a list of EAL arguments.
func (v value) words() []string {
	const right = `write a list of strings, one for each argument, such as ["--log-level=7"]`
	elements, ok := v.elements()
	if !ok && v.given() {
		v.reportf(right, "is %s, not a list of strings", typeName(v.raw))
	}
	var words []string
	for _, element := range elements {
		word := element.word(right)
		element.checkEALArg(word)
		words = append(words, word)
	}
	return words
}
