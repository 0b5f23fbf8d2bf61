// Package config turns one TOML file into a validated, defaulted, immutable Config.
//
// Load and Parse either return a Config that the director can run as it stands, or Problems: every fault of the file with
// its line, its key, what is wrong and what would be right. A key that is unknown, or known but not built yet, is a
// problem too; nothing in a file is ever passed over in silence.
//
// The work is done in three steps. The locator finds the line of every table, key and array element. The readers turn the
// decoded TOML into values, key by key, and go on after a fault. The checker then looks at what the values mean together:
// subnets, gateways, addresses held twice. A Config is not changed after it has been returned and may be read by anyone.
package config
