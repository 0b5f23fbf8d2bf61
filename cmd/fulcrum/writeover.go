package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// writeOver replaces a file's content as a whole: a reader, or a crash, finds the old content or
// the new one. The file keeps its mode and owner, and a symbolic link stays one.
func writeOver(file string, data []byte) error {
	target, err := filepath.EvalSymlinks(file)
	if errors.Is(err, fs.ErrNotExist) {
		target = file
	} else if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	t, err := renameio.NewPendingFile(target, renameio.WithExistingPermissions(),
		renameio.WithPermissions(0o600), renameio.WithTempDir(filepath.Dir(target)))
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	defer t.Cleanup() // does nothing once the file has its name
	_, err = t.Write(data)
	if err == nil {
		err = keepOwner(target, t.File)
	}
	if err == nil {
		err = t.CloseAtomicallyReplace()
	}
	if err == nil {
		err = syncFolder(filepath.Dir(target))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// syncFolder makes a file's new name last over a loss of power. A state folder forgets the
// overrides that were saved to the file, so the file must not go back.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// keepOwner gives a new file the owner of the one that it replaces, if there is one.
func keepOwner(old string, file *os.File) error {
	info, err := os.Stat(old)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return file.Chown(int(owner.Uid), int(owner.Gid))
}
