package guard

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// attach attaches a program to the ingress hook of an interface: by tcx where the kernel has it
// (6.6), otherwise by a filter. It comes before all other programs: others may redirect packets,
// and packet sockets have their copies by then.
func attach(on netlink.Link, p *ebpf.Program) (io.Closer, error) {
	l, err := link.AttachTCX(link.TCXOptions{
		Interface: on.Attrs().Index, Program: p, Attach: ebpf.AttachTCXIngress, Anchor: link.Head(),
	})
	if err == nil {
		return l, nil
	}
	if !errors.Is(err, ebpf.ErrNotSupported) {
		return nil, err
	}
	return attachFilter(on, p)
}

// filterPriority is the first: lower numbers do not exist.
const filterPriority = 1

// filter is a BPF filter at the ingress hook of an interface. Unlike a tcx link it outlives a
// process that is killed, and the next director replaces it. Those of directors that run are left
// alone: each has a handle of its own, and the kernel asks one after the other until a program
// hides the packet.
type filter struct {
	*netlink.BpfFilter
	claim io.Closer       // of the handle
	own   *netlink.Clsact // the queueing discipline, if a filter of the director's made it
}

func attachFilter(on netlink.Link, p *ebpf.Program) (io.Closer, error) {
	handle, claim, err := freeHandle(on)
	if err != nil {
		return nil, err
	}
	f := &filter{claim: claim, BpfFilter: &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: on.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS, Handle: handle,
			Protocol: unix.ETH_P_ALL, Priority: filterPriority,
		},
		Fd: p.FD(), Name: programName, DirectAction: true,
	}}
	if err := f.attach(on); err != nil {
		return nil, errors.Join(err, claim.Close())
	}
	return f, nil
}

// attach adds the filter, in place of those that directors have left which were killed.
func (f *filter) attach(on netlink.Link) error {
	q := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: on.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0),
		Parent: netlink.HANDLE_CLSACT,
	}}
	switch err := netlink.QdiscAdd(q); {
	case err == nil:
		f.own = q
	case !errors.Is(err, unix.EEXIST):
		return fmt.Errorf("adding a clsact qdisc: %w", err)
	}
	switch found, err := f.removeOld(on); {
	case err != nil:
		return err
	case found:
		f.own = q
	}
	if err := netlink.FilterAdd(f.BpfFilter); err != nil {
		return errors.Join(fmt.Errorf("adding a filter: %w", err), f.removeQdisc())
	}
	return nil
}

// mostDirectors bounds how many directors guard an interface at once: two while one replaces the
// other.
const mostDirectors = 8

// freeHandle returns a filter's handle that no director has which runs.
func freeHandle(on netlink.Link) (handle uint32, claim io.Closer, err error) {
	for handle = 1; handle <= mostDirectors; handle++ {
		claim, err = claimHandle(on, handle)
		if !errors.Is(err, unix.EADDRINUSE) {
			return handle, claim, err
		}
	}
	return 0, nil, fmt.Errorf("%d directors guard the interface already: %w", mostDirectors, err)
}

// claimHandle claims a filter's handle at an interface, until the process ends. The claim is an
// abstract socket: the kernel has one of each name in a network namespace.
func claimHandle(on netlink.Link, handle uint32) (io.Closer, error) {
	name := fmt.Sprintf("@fulcrum/guard/%d/%d", on.Attrs().Index, handle)
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, fmt.Errorf("claiming a filter's handle: %w", err)
	}
	return l, nil
}

// removeOld removes the filters of directors that were killed, and reports whether there were any
// filters of directors.
func (f *filter) removeOld(on netlink.Link) (found bool, err error) {
	all, err := netlink.FilterList(on, netlink.HANDLE_MIN_INGRESS)
	if err != nil {
		return false, fmt.Errorf("listing filters: %w", err)
	}
	for _, o := range all {
		b, ok := o.(*netlink.BpfFilter)
		if !ok || b.Name != programName {
			continue
		}
		found = true
		if b.Handle != f.Handle && isClaimed(on, b.Handle) {
			continue
		}
		if err := netlink.FilterDel(b); err != nil {
			return found, fmt.Errorf("removing the filter of an earlier director: %w", err)
		}
	}
	return found, nil
}

// isClaimed reports whether a director has a filter's handle which runs.
func isClaimed(on netlink.Link, handle uint32) bool {
	claim, err := claimHandle(on, handle)
	if err != nil {
		return true
	}
	claim.Close()
	return false
}

// Close removes the filter. An interface that is gone has none.
func (f *filter) Close() error {
	defer f.claim.Close()
	if err := netlink.FilterDel(f.BpfFilter); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("removing the filter: %w", err)
	}
	return f.removeQdisc()
}

// removeQdisc removes the queueing discipline that the director made, unless others use it.
func (f *filter) removeQdisc() error {
	if f.own == nil || inUse(f.own.LinkIndex) {
		return nil
	}
	if err := netlink.QdiscDel(f.own); err != nil {
		return fmt.Errorf("removing the clsact qdisc: %w", err)
	}
	return nil
}

// inUse reports whether an interface has filters. One that cannot be asked is left alone.
func inUse(index int) bool {
	on, err := netlink.LinkByIndex(index)
	if err != nil {
		return true
	}
	for _, hook := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		if all, err := netlink.FilterList(on, hook); err != nil || len(all) > 0 {
			return true
		}
	}
	return false
}

// explain adds to an error what the system lacks.
func explain(doing string, err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s: %w; guard = true needs CAP_BPF (or CAP_SYS_ADMIN) and CAP_NET_ADMIN",
			doing, err)
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%s: %w; guard = true needs a kernel with CONFIG_BPF_SYSCALL, "+
			"CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
