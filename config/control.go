package config

import "path/filepath"

// readControl reads where the control API is besides its socket: all of the keys, or none.
func readControl(t *table) Control {
	defer t.done()
	c := Control{
		Listen:      t.get("listen").listener(),
		Certificate: t.get("certificate").absolutePath("/etc/fulcrum/control.pem"),
		Key:         t.get("key").absolutePath("/etc/fulcrum/control-key.pem"),
		TokenFile:   t.get("token_file").absolutePath("/etc/fulcrum/token"),
	}
	keys := []string{"listen", "certificate", "key", "token_file"}
	for _, key := range keys {
		if len(t.entries) > 0 && !t.child(key).given() {
			t.missing(key, "give listen, certificate, key and token_file, or none of them: over TCP the API is served with TLS and to who has the token only")
		}
	}
	return c
}

// absolutePath gives the path of a file, which need not be there yet.
func (v value) absolutePath(example string) string {
	right := `write an absolute path such as "` + example + `"`
	path, ok := as[string](v, "a path", right)
	if ok && !filepath.IsAbs(path) {
		v.reportf(right, "%q is not an absolute path", path)
	}
	return path
}
