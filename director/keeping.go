package director

import (
	"cmp"
	"errors"

	"fulcrum/config"
	"fulcrum/control"
)

// errProgramsUnkept says what a director without a state folder loses, if programs that administer
// IPVS may change it: they believe that it still has what they have made.
var errProgramsUnkept = errors.New("the services of programs at director.ipvs end with the " +
	"director, and keepalived does not add them again: set director.state")

// keeping is the part that has what is done live survive a restart, in a folder.
// It decides with which settings the engine starts. Without a folder it does nothing.
type keeping struct {
	*Director
	state  *control.State // nil without a folder
	back   control.Restored
	unkept error // why nothing is kept, though it should be
}

func (k *keeping) Start() (err error) {
	folder := cmp.Or(k.cfg.Config.Director.State, k.cfg.State)
	if folder == "" {
		k.warnPrograms()
		return nil
	}
	if k.state, err = k.open(folder); errors.Is(err, control.ErrStateTaken) {
		return err
	} else if err != nil {
		k.warn(err)
		return nil
	}
	k.back = k.state.Restore(k.cfg.Config)
	k.settings = control.EngineSettings(k.back.Config)
	return nil
}

// open takes the folder, or shares it with the predecessor.
func (k *keeping) open(folder string) (*control.State, error) {
	if lock := k.inherited(stateName(folder)); lock != nil {
		return control.AdoptState(folder, lock, k.cfg.Log)
	}
	return control.OpenState(folder, k.cfg.Log)
}

// warnPrograms warns if programs change services, for whom nothing is kept.
func (k *keeping) warnPrograms() {
	if k.cfg.Config.Director.IPVS != "" {
		k.warn(errProgramsUnkept)
	}
}

// warn has the log and the status say why nothing is kept.
func (k *keeping) warn(why error) {
	k.unkept = why
	k.cfg.Log.Warn("what is done live will not be kept", "reason", why)
}

func (k *keeping) Stop() error {
	if k.state == nil {
		return nil
	}
	return k.state.Close()
}

// config returns the configuration that the engine starts with.
func (k *keeping) config() *config.Config {
	if k.state != nil {
		return k.back.Config
	}
	return k.cfg.Config
}

// resume lets the running configuration go on where an earlier process ended.
func (k *keeping) resume(r *control.Running) {
	r.NoteUnkept(k.unkept)
	if k.state != nil {
		r.Keep(k.state, k.back)
	}
}

// resumeDrains goes on with the drains once all parts run: a drain may end at once, and change the
// configuration.
func (k *keeping) resumeDrains() {
	if k.state != nil {
		k.running.ResumeDrains(k.back)
	}
}
