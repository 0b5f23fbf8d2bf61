package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"fulcrum/api"
	"fulcrum/config"
	"fulcrum/lab"
)

// where is the director's API that a command asks: at a socket of this machine or, with --remote,
// over TCP.
type where struct {
	socket, remote, ca, token string
}

// socketVariable names the environment variable that stands for --socket.
const socketVariable = "FULCRUM_SOCKET"

// defaultSocket returns the control socket of commands without --socket.
func defaultSocket() string {
	if socket := os.Getenv(socketVariable); socket != "" {
		return socket
	}
	return config.DefaultControl
}

func (w *where) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&w.socket, "socket", defaultSocket(),
		"the director's control socket (director.control); its default is $"+socketVariable)
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
	if w.socket != defaultSocket() {
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

// mostLabs bounds how many labs an error names.
const mostLabs = 4

// withLabs adds the control sockets of kept labs to the error of a command that found no director
// at its socket: its user may mean one of them.
func withLabs(c *cobra.Command, err error) error {
	_, ofFile := errors.AsType[*fs.PathError](err)
	absent := errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED)
	if c.Flags().Lookup("socket") == nil || c.Flags().Changed("remote") || ofFile || !absent {
		return err
	}
	var sockets []string
	labs, _ := lab.List() // a damaged record is not what this error is about
	for _, l := range labs {
		if l.Kept && len(sockets) < mostLabs {
			sockets = append(sockets, "--socket "+l.ControlSocket())
		}
	}
	if sockets == nil {
		return err
	}
	return fmt.Errorf("%w; kept labs have directors too: %s", err, strings.Join(sockets, ", "))
}
