package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/pprof/profile"

	"fulcrum/modes"
)

// profiled is the traffic of a profile for the compiler: the usual work of a director, in equal
// parts. New sessions begin at a rate at which others end as fast.
var profiled = []Trial{
	{Kind: UDP, Flows: 100 * thousand, Create: true},
	{Kind: TCP, Flows: 100 * thousand, Create: true},
	{Kind: Lives, Flows: 100 * thousand, Create: true},
	{Kind: NewUDP, Flows: newFlows, Rate: million},
}

// Profile writes a CPU profile of the director's work in all modes to a file, for the compiler.
func (b *Bench) Profile(ctx context.Context, s Scale, file string) error {
	folder, err := makeFolder()
	if err != nil {
		return fmt.Errorf("make a folder for profiles: %w", err)
	}
	defer os.RemoveAll(folder)
	library, err := buildSynth(folder)
	if err != nil {
		return err
	}
	var parts []*profile.Profile
	for _, m := range s.Modes {
		b.logf("profile of %s", m)
		p, err := b.profileOf(ctx, m, s.Profile, filepath.Join(folder, m.String()))
		if err != nil {
			return err
		}
		six, err := b.profileOf6(ctx, library, m, s.Profile, filepath.Join(folder, m.String()+"-6"))
		if err != nil {
			return err
		}
		parts = append(parts, p, six)
	}
	whole, err := profile.Merge(parts)
	if err != nil {
		return fmt.Errorf("merge the profiles of all modes: %w", err)
	}
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("write the profile: %w", err)
	}
	defer f.Close()
	if err := whole.Write(f); err != nil {
		return fmt.Errorf("write the profile: %w", err)
	}
	return f.Close()
}

func (b *Bench) profileOf(ctx context.Context, m modes.Mode, sending time.Duration, file string) (*profile.Profile, error) {
	_, err := b.with(ctx, director{mode: m, sessions: 4 * million, timeout: time.Second, profile: file}, func(d *bed) error {
		for _, t := range profiled {
			t.Size, t.Duration = MinSize, Duration(sending)
			if _, err := d.trial(ctx, t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return readProfile(file)
}

// profileOf6 is profileOf for packets of known IPv6 sessions, without a link.
func (b *Bench) profileOf6(
	ctx context.Context, library string, m modes.Mode, sending time.Duration, file string,
) (*profile.Profile, error) {
	c := Case{Mode: m, Six: true, Sessions: 100 * thousand}
	d := director{mode: m, six: true, sessions: 2 * c.Sessions, profile: file}
	if _, _, err := b.synthRate(ctx, library, d, c, sending); err != nil {
		return nil, err
	}
	return readProfile(file)
}

func readProfile(file string) (*profile.Profile, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the director's profile: %w", err)
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err != nil {
		return nil, fmt.Errorf("read the director's profile: %w", err)
	}
	return p, nil
}
