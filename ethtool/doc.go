// Package ethtool reads and sets features of the kernel's network interfaces that are one number,
// such as GRO. It uses the ioctl of ethtool. Anyone may call it.
//
// The libraries for it were looked at: safchain/ethtool v0.7.0 carries the address of a variable on
// the stack as a uintptr into another function, where the stack may move, and mdlayher/ethtool
// v0.7.0 has no features.
package ethtool
