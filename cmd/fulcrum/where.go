package main

import (
	"errors"

	"github.com/spf13/cobra"

	"fulcrum/api"
	"fulcrum/config"
)

// where is the director's API that a command asks: at a socket of this machine or, with --remote,
// over TCP.
type where struct {
	socket, remote, ca, token string
}

func (w *where) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&w.socket, "socket", config.DefaultControl,
		"the director's control socket (director.control)")
	f.StringVar(&w.remote, "remote", "",
		"ask over TCP instead, at a URL such as https://10.9.0.1:9443 (control.listen)")
	f.StringVar(&w.ca, "ca", "",
		"with --remote, trust the certificates in this file instead of this machine's")
	f.StringVar(&w.token, "token-file", "",
		"with --remote, read the token from this file (control.token_file)")
}

func (w *where) client() (*api.Client, error) {
	if w.remote == "" {
		if w.ca != "" || w.token != "" {
			return nil, &exitError{code: 2, err: errors.New("--ca and --token-file need --remote")}
		}
		return api.NewClient(w.socket), nil
	}
	if w.socket != config.DefaultControl {
		return nil, &exitError{
			code: 2, err: errors.New("--socket and --remote exclude each other: give one of them"),
		}
	}
	if w.token == "" {
		return nil, &exitError{
			code: 2, err: errors.New("--remote needs the director's token: give its file with --token-file"),
		}
	}
	return api.NewRemoteClient(w.remote, w.ca, w.token)
}
