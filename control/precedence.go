package control

// Precedence says which value holds when a file is applied and a setting has an override.
type Precedence string

// The values of Precedence, as in requests.
const (
	// FileIfChanged is the default: an override stays if the file still has the value that the
	// override was made over. If the file has another one, the file wins.
	FileIfChanged Precedence = ""
	// KeepOverrides: overrides win over whatever the file says.
	KeepOverrides Precedence = "keep"
	// DropOverrides: the file wins over every override.
	DropOverrides Precedence = "drop"
)
