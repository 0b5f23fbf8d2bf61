// Package dpvs imports dpvs.conf, the global configuration of DPVS, as the part of a configuration
// file that it speaks of: workers, ports and sessions. It lists the rest.
//
// The import has three steps: lines to words, words to blocks, blocks to keys of a configuration.
// Mistakes are errors with their places. What has no meaning here is a note with its place. The
// facts are those of DPVS's src/parser.c for the grammar, and conf/dpvs.conf.items for the keys.
// Addresses and services are not in dpvs.conf. Anyone may call it.
package dpvs
