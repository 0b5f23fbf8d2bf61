package control

import (
	"io/fs"
	"log/slog"
	"net/netip"
	"path"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"fulcrum/config"
	"fulcrum/lvs"
)

// leaf is one setting of the configuration, such as Config.Services.RealServers.Weight. A setting
// of several services is one leaf in several places.
type leaf struct {
	name   string
	owner  reflect.Type // the struct of package config whose field it is, or is in
	field  string       // that field
	places []place
}

// place finds a value in a configuration.
type place func(*config.Config) reflect.Value

// leavesOf returns every leaf of a configuration. A list of structs is a leaf too, for its length,
// and its elements are walked.
func leavesOf(t *testing.T, c *config.Config) []*leaf {
	w := walk{t: t, c: c, byName: map[string]*leaf{}}
	root := func(c *config.Config) reflect.Value { return reflect.ValueOf(c).Elem() }
	w.enter(root, leaf{name: "Config"})
	return w.leaves
}

type walk struct {
	t      *testing.T
	c      *config.Config
	leaves []*leaf
	byName map[string]*leaf
}

// enter walks what is at a place. at is what leads there.
func (w *walk) enter(p place, at leaf) {
	switch v := p(w.c); {
	case isPart(v.Type()):
		w.enterFields(p, at)
	case v.Kind() == reflect.Slice && isPart(v.Type().Elem()):
		w.add(p, at)
		if v.Len() == 0 {
			w.t.Errorf("%s has no element: give everySetting one, so that its fields are walked", at.name)
		}
		w.enterElements(p, at)
	case v.Kind() == reflect.Array:
		w.enterElements(p, at)
	default:
		w.add(p, at)
	}
}

// isPart reports whether a type is a struct of package config, whose fields have fates. A check is
// one setting.
func isPart(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && path.Base(t.PkgPath()) == "config" &&
		t != reflect.TypeFor[config.Health]() && t != reflect.TypeFor[config.OwnHealth]()
}

func (w *walk) enterFields(p place, at leaf) {
	t := p(w.c).Type()
	for i := range t.NumField() {
		f := t.Field(i)
		w.enter(func(c *config.Config) reflect.Value { return p(c).Field(i) },
			leaf{name: at.name + "." + f.Name, owner: t, field: f.Name})
	}
}

// enterElements walks all elements: those of a list have the same leaves, an array's their own.
func (w *walk) enterElements(p place, at leaf) {
	for i := range p(w.c).Len() {
		element := at
		if p(w.c).Kind() == reflect.Array {
			element.name += "." + strconv.Itoa(i)
		}
		w.enter(func(c *config.Config) reflect.Value { return p(c).Index(i) }, element)
	}
}

func (w *walk) add(p place, at leaf) {
	known := w.byName[at.name]
	if known == nil {
		known = &at
		w.byName[at.name] = known
		w.leaves = append(w.leaves, known)
	}
	known.places = append(known.places, p)
}

// others returns other values for a leaf. Which of them are valid depends on the leaf.
func others(v reflect.Value) []reflect.Value {
	switch of := v.Interface().(type) {
	case lvs.Mode:
		return valuesOf(lvs.Modes()...)
	case lvs.OwnMode:
		return valuesOf(lvs.AsService, lvs.Own(lvs.NAT), lvs.Own(lvs.DR))
	case lvs.Scheduler:
		return valuesOf(lvs.Schedulers()...)
	case lvs.SchedulerFlags:
		return valuesOf(of^lvs.SchedFallback, of^lvs.SchedPort)
	case lvs.PersistenceEngine:
		return valuesOf(lvs.PersistenceEngines()...)
	case lvs.Refusal:
		return valuesOf(lvs.Refusals()...)
	case lvs.Protocol:
		return valuesOf(lvs.Protocols()...)
	case config.Health:
		of.Rise++
		return valuesOf(of, config.Health{})
	case config.OwnHealth:
		return valuesOf(config.OwnHealth{}, config.OwnHealthOf(config.Health{}))
	case config.Words:
		return valuesOf(of+"x", "")
	case config.Announce:
		return valuesOf(config.AnnounceOff)
	case config.VIPOwner:
		return valuesOf(config.OwnedByHost)
	case config.Idle:
		return valuesOf(config.IdleBusy, config.IdleAdaptive)
	case config.Defence:
		return valuesOf(config.DefenceOff, config.DefenceAuto, config.DefenceOn)
	case config.ResetUnknown:
		return valuesOf(config.ResetOff, config.ResetTwoWay, config.ResetAll)
	case fs.FileMode:
		return valuesOf[fs.FileMode](0o600, 0o660)
	case slog.Level:
		return valuesOf(of + 4)
	case time.Duration:
		return valuesOf(of + time.Second)
	case netip.Addr:
		return valuesOf(of.Next(), of.Prev())
	case netip.AddrPort:
		port, address := of.Port()+1, of.Addr().Next()
		return valuesOf(netip.AddrPortFrom(of.Addr(), port), netip.AddrPortFrom(address, of.Port()))
	case lvs.Match:
		if !of.First.IsValid() {
			return nil
		}
		of.Ports.Last++
		return valuesOf(of)
	case []config.Mark: // services name the marks, so that none can go
		all := slices.Clone(of)
		last := &all[len(all)-1]
		last.Match = last.Match[:len(last.Match)-1]
		return valuesOf(all)
	case netip.Prefix:
		bits, address := of.Bits()+1, of.Addr().Next()
		return valuesOf(netip.PrefixFrom(of.Addr(), bits), netip.PrefixFrom(address, of.Bits()))
	}
	return othersOfKind(v)
}

func othersOfKind(v reflect.Value) []reflect.Value {
	switch of := v.Interface().(type) {
	case bool:
		return valuesOf(!of)
	case string:
		return valuesOf(of+"x", config.HugePagesOn, "0", "/tmp") // a group may be a number
	case int:
		return valuesOf(of+1, 2*of) // descriptors are powers of two
	case int64:
		return valuesOf(of + 1<<20) // memory is in MiB
	case byte:
		return valuesOf(of + 1)
	case uint32:
		return valuesOf(of+1, of-1)
	}
	if v.Kind() == reflect.Slice {
		return otherLists(v)
	}
	return nil
}

func valuesOf[T any](all ...T) (values []reflect.Value) {
	for _, v := range all {
		values = append(values, reflect.ValueOf(v))
	}
	return values
}

// otherLists returns a list with another last element, and without it. An empty list gets an
// element.
func otherLists(v reflect.Value) (all []reflect.Value) {
	none := reflect.Zero(v.Type())
	if v.Len() == 0 {
		v = reflect.MakeSlice(v.Type(), 1, 1)
	}
	rest, last := v.Slice(0, v.Len()-1), v.Index(v.Len()-1)
	for _, element := range others(last) {
		all = append(all, reflect.Append(reflect.AppendSlice(none, rest), element))
	}
	return append(all, reflect.AppendSlice(none, rest))
}
