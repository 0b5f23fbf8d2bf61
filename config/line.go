package config

// Line returns the line of a TOML document on which the value at a path begins: keys, and indexes
// of arrays. It returns the line of the longest part of the path that is there, such as that of the
// table whose key has its default. The text must be one that Parse accepts.
func Line(text string, path ...any) int {
	lines, at := locate(text), root
	line := lines[root]
	for _, step := range path {
		switch step := step.(type) {
		case string:
			at = at.key(step)
		case int:
			at = at.index(step)
		}
		if n, known := lines[at]; known {
			line = n
		}
	}
	return line
}
