package config

import "path/filepath"

// readControl reads the control API over TCP. The file gives all of its keys or none, but for
// read_token_file, which may be missing.
func readControl(t *table) Control {
	defer t.done()
	c := Control{
		Listen:      t.get("listen").listener(),
		Certificate: t.get("certificate").absolutePath("/etc/fulcrum/control.pem"),
		Key:         t.get("key").absolutePath("/etc/fulcrum/control-key.pem"),
		TokenFile:   t.get("token_file").absolutePath("/etc/fulcrum/token"),

		ReadTokenFile: t.get("read_token_file").absolutePath("/etc/fulcrum/read-token"),
	}
	keys := []string{"listen", "certificate", "key", "token_file"}
	for _, key := range keys {
		if len(t.entries) > 0 && !t.child(key).given() {
			t.missing(key, "give listen, certificate, key and token_file, or none of them: "+
				"the control API over TCP requires TLS and a token")
		}
	}
	if c.ReadTokenFile != "" && c.ReadTokenFile == c.TokenFile {
		t.child("read_token_file").report("is the file of token_file",
			"write another token to a file of its own: clients with token_file's may change everything")
	}
	return c
}

// absolutePath returns the path of a file. The file need not exist yet.
func (v value) absolutePath(example string) string {
	right := `write an absolute path such as "` + example + `"`
	path, ok := as[string](v, "a string", right)
	if ok && !filepath.IsAbs(path) {
		v.reportf(right, "%q is not an absolute path", path)
	}
	return path
}
