// Package config turns one TOML file into a validated, defaulted, immutable Config.
//
// Load and Parse return either a Config that the director can run as it stands, or Problems.
// Problems list every fault of the file with its line, its key, what is wrong and what would be
// right. An unknown key is a problem, and so is a key whose feature is not built yet: nothing in
// a file is ignored silently.
//
// The work has three steps. The locator finds the line of every table, key and array element. The
// readers turn the decoded TOML into values, key by key, and continue after a fault. The checker
// then checks the values against each other: subnets, gateways, addresses held twice.
//
// Render and Rewrite go the other way: a configuration becomes the text of a file, or a file is
// changed to say what runs. Both go by the same list of tables and keys (blocks.go). Rewrite edits
// lines, and trusts no edit: it parses the result, and renders the whole file if that says anything
// else. A new key needs a reader and a line of blocks.go.
//
// A Config does not change after it has been returned, and any goroutine may read it. Site checks
// changes of single services against a running configuration.
package config
