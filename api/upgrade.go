package api

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"fulcrum/control"
)

// Upgrade starts a program as the successor of the director and hands over to it; see
// director.Upgrade.
type Upgrade func(ctx context.Context, program string) (*control.Succession, error)

// UpgradeRequest asks for a successor.
type UpgradeRequest struct {
	// Program is the absolute path of the program; empty stands for the file that the director was
	// started from, which may be another version by now.
	Program string `json:"program,omitempty"`
}

// addUpgrade adds the operation, for those who may start programs in the director's name: root and
// its own user, at its socket.
func (a *api) addUpgrade(h huma.API, upgrade Upgrade) {
	huma.Post(h, "/v1/upgrade", func(ctx context.Context, in *struct {
		Body UpgradeRequest
	}) (*body[*control.Succession], error) {
		if !mayStartPrograms(ctx) {
			return nil, huma.Error403Forbidden("only root and the director's own user may upgrade it, " +
				"at its control socket")
		}
		program, err := programOfUpgrade(in.Body.Program)
		if err != nil {
			return nil, problem(err)
		}
		done, err := upgrade(ctx, program)
		if err != nil {
			return nil, huma.Error409Conflict(err.Error())
		}
		return answer(done), nil
	}, is("upgrade", "Start another version of the program, which takes over with all sessions",
		"The answer comes when it forwards packets. If it fails before, the director goes on.",
		http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity))
}

// mayStartPrograms reports whether a request comes from a process of root or of the director's user.
func mayStartPrograms(ctx context.Context) bool {
	a := control.ActorOf(ctx)
	return a.PID > 0 && (a.UID == 0 || a.UID == os.Geteuid())
}

// programOfUpgrade returns the path of the program to start.
func programOfUpgrade(asked string) (string, error) {
	switch {
	case asked == "":
		own, err := os.Executable()
		return strings.TrimSuffix(own, " (deleted)"), err
	case asked[0] != '/':
		return "", &control.ValueError{Field: "program", Message: "give an absolute path"}
	}
	info, err := os.Stat(asked)
	if err == nil && (!info.Mode().IsRegular() || info.Mode()&0o111 == 0) {
		err = errors.New(asked + " is not a program")
	}
	if err != nil {
		return "", &control.ValueError{Field: "program", Message: err.Error()}
	}
	return asked, nil
}
