package control

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
)

// fields are those of a struct of the configuration that a plan compares, in the struct's order.
type fields[T any] []field

// field is a field of a struct, prepared for comparing it in thousands of services.
type field struct {
	index int
	key   string // in the file
	live  bool   // other fields need a restart
	equal func(a, b reflect.Value) bool
}

// difference is a field with its value in either configuration.
type difference struct {
	key       string // in the file
	live      bool   // the field changes while the director runs
	old, next any
}

// fieldsOf returns every field of a struct but those that fates has as parts or no setting.
func fieldsOf[T any]() (all fields[T]) {
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		f := t.Field(i)
		if fate := fates[t][f.Name]; fate != parts && fate != noSetting {
			all = append(all, field{i, keyOf(f.Name), fate == live || fate == beside, equalityOf(f.Type)})
		}
	}
	return all
}

// differences returns the fields that two values differ in. It allocates only for differences.
func (all fields[T]) differences(old, next *T) (differ []difference) {
	a, b := reflect.ValueOf(old).Elem(), reflect.ValueOf(next).Elem()
	for _, f := range all {
		if x, y := a.Field(f.index), b.Field(f.index); !f.equal(x, y) {
			differ = append(differ, difference{f.key, f.live, x.Interface(), y.Interface()})
		}
	}
	return differ
}

// equalityOf returns what compares two values of a type. A list that is nil equals an empty one.
func equalityOf(t reflect.Type) func(a, b reflect.Value) bool {
	switch {
	case t.Comparable():
		return reflect.Value.Equal
	case t.Kind() == reflect.Slice:
		return equalLists
	}
	return func(a, b reflect.Value) bool { return reflect.DeepEqual(a.Interface(), b.Interface()) }
}

func equalLists(a, b reflect.Value) bool {
	return a.Len() == b.Len() && (a.Len() == 0 || reflect.DeepEqual(a.Interface(), b.Interface()))
}

// String returns the key and both values.
func (d difference) String() string { return d.key + " " + d.values() }

// values returns both values.
func (d difference) values() string { return fmt.Sprintf("%v -> %v", shown(d.old), shown(d.next)) }

// shown returns what fmt shows of a value in a plan.
func shown(value any) any {
	switch value := value.(type) {
	case []netip.Addr:
		return addressList[netip.Addr](value)
	case []netip.Prefix:
		return addressList[netip.Prefix](value)
	}
	return value
}

// keyOf returns the key of a field in the file: rx_descriptors for RxDescriptors, mtu for MTU.
func keyOf(field string) string {
	if key, own := ownKeys[field]; own {
		return key
	}
	return strings.ToLower(wordEnd.ReplaceAllString(field, "${1}_${2}"))
}

// ownKeys has the keys whose words are not those of their field.
var ownKeys = map[string]string{
	"ExpireNoDest": "expire_nodest", "NATICMPSend": "nat_icmp_send", "PMTUDisc": "pmtu_disc",
	"VIPOwner": "vip_owner",
}

var wordEnd = regexp.MustCompile("([a-z])([A-Z])")
