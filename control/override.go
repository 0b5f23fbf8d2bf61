package control

import (
	"fmt"

	"fulcrum/config"
)

// Override is one difference between the running configuration and the file that it is from: a
// setting that was changed live, or a service or real server that was added or removed live.
type Override struct {
	Action  Action `json:"action" enum:"add,remove,change"`
	Object  string `json:"object" example:"real server 10.1.0.11:80 of web"`
	Key     string `json:"key,omitempty" example:"weight" doc:"of a change"`
	File    string `json:"file,omitempty" doc:"the value in the file, of a change"`
	Running string `json:"running,omitempty" doc:"the value in the director, of a change"`
	// Reason says why the override was dropped. It is empty for one that holds.
	Reason string `json:"reason,omitempty" example:"the file has changed it"`
}

// String returns the override as in "real server 10.1.0.11:80 of web: weight 1 -> 5".
func (o Override) String() string {
	switch o.Action {
	case Add:
		return o.Object + ": added"
	case Remove:
		return o.Object + ": removed"
	}
	return o.Object + ": " + o.Change()
}

// Change returns what was changed live, as in "weight 1 -> 5". It is empty for what was added or
// removed.
func (o Override) Change() string {
	if o.Action != Alter {
		return ""
	}
	return fmt.Sprintf("%s %s -> %s", o.Key, o.File, o.Running)
}

// The reasons why overrides are dropped.
const (
	sameNow    = "the file says the same now"
	fileGone   = "the file does not have it any more"
	fileHasIt  = "the file has one of its own now"
	fileDiffer = "the file has changed it"
	fileWins   = "the file was to win"
)

// changeOf returns the override of a setting.
func changeOf(object string, d difference) Override {
	return Override{
		Action: Alter, Object: object, Key: d.key,
		File: fmt.Sprint(shown(d.old)), Running: fmt.Sprint(shown(d.next)),
	}
}

func serviceObject(s *config.Service) string { return "service " + s.Name }
