// Package foreign has what the packages share that import other programs' configurations: places in
// files, and the report of an import. A report lists what is not carried over, each with its places
// and the reason, and mistakes. All of it may come from a hostile file: texts are bounded, and
// control characters are escaped. Anyone may call it; a report belongs to one goroutine.
package foreign
