package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"fulcrum/config"
	"fulcrum/control"
)

func (a *api) addOverrides(h huma.API) {
	huma.Get(h, "/v1/overrides", func(context.Context, *struct{}) (*body[[]control.Override], error) {
		return answer(a.running.Overrides()), nil
	}, is("list-overrides", "What differs between the running configuration and its file",
		"Overrides are what was done live: other settings, services and real servers that were added "+
			"or removed."))
	huma.Delete(h, "/v1/overrides", func(ctx context.Context, in *struct {
		Refusal
		Service string `query:"service" doc:"the service's name; all overrides if it is empty"`
		Server  string `query:"server" doc:"one real server of the service; all if it is empty"`
	}) (*applied, error) {
		return take(a.changes, func() (control.Plan, error) {
			return a.running.ResetOverrides(in.Refusal.in(ctx),
				control.OverrideTarget{Service: in.Service, Server: in.Server})
		})
	}, is("reset-overrides", "Give back to the file what was changed live",
		"It is a change like others, and can be rolled back.", changeErrors...))
	huma.Get(h, "/v1/log", func(context.Context, *struct{}) (*body[[]control.Audit], error) {
		return answer(a.running.Audits()), nil
	}, is("list-changes", "The last changes, the oldest first",
		"Who made them, what changed, and how many sessions that touched: at most 256."))
	huma.Get(h, "/v1/config/file", func(context.Context, *struct{}) (*body[ConfigFile], error) {
		return answer(a.file()), nil
	}, is("get-file", "The running configuration written into its file",
		"The file's comments and order are kept wherever possible. The director writes nothing."))
}

// ConfigFile is a configuration file and what the running configuration makes of it.
type ConfigFile struct {
	// File is the path of the director's own file.
	File string `json:"file"`
	// Source names the file that the running configuration is from. It is File, unless another one
	// was applied.
	Source   string `json:"source"`
	Revision string `json:"revision" doc:"of the running configuration; apply takes it as If-Match"`
	FileRead string `json:"file_read" doc:"the text of File, as it was last read"`
	Text     string `json:"text" doc:"the text of Source with the overrides in it"`
	// Host says what the ports have from their host interfaces, one line each. It is in no file.
	Host []string `json:"host,omitempty"`
	// CommentsKept is false if Text could not be made by editing the text of Source.
	CommentsKept bool `json:"comments_kept"`
}

func (a *api) file() ConfigFile {
	o := a.running.Origin()
	f := ConfigFile{
		File: o.File, Source: o.Source.File, Revision: tagOf(o.Revision), FileRead: o.FileText,
	}
	f.Host = a.running.HostLines()
	f.Text, f.CommentsKept = config.Rewrite(f.Source, o.Source.Text, o.Running)
	return f
}
