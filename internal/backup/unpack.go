package backup

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// sink takes the parts of an archive. It reads each to its end.
type sink func(name string, size int64, r io.Reader) error

// unpack reads an archive to its end, gives each part to the sink, and checks
// that the parts are what the archive says they are. Until it returns without
// an error nothing of it is to be believed. The list of what was read is written
// to seen, a line for each part: digest, size and name.
func unpack(ctx context.Context, from io.Reader, seen *os.File, part sink) (Manifest, error) {
	u := &unpacking{seen: bufio.NewWriter(seen), digest: sha256.New()}
	archive := tar.NewReader(until(ctx, from))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return Manifest{}, fmt.Errorf("%w: it ends before its manifest", ErrNotArchive)
		}
		if err != nil {
			return Manifest{}, readError(err)
		}
		if err := checkName(header.Name); err != nil {
			return Manifest{}, err
		}
		if header.Typeflag != tar.TypeReg {
			return Manifest{}, fmt.Errorf("%w: its part %s is no file", ErrNotArchive, header.Name)
		}
		switch header.Name {
		case sumsPart:
			err = u.compare(archive, seen)
		case manifestPart:
			m, err := u.manifest(archive)
			if err != nil {
				return m, readError(err)
			}
			_, err = io.Copy(io.Discard, until(ctx, from)) // so that who writes into a pipe is not cut off
			return m, err
		default:
			err = u.part(header.Name, header.Size, archive, part)
		}
		if err != nil {
			return Manifest{}, readError(err)
		}
	}
}

// readError tells archives that are cut off or scrambled from other errors.
func readError(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", ErrNotArchive, err)
	}
	return err
}

type unpacking struct {
	seen         *bufio.Writer
	digest       hasher // of SHA256SUMS as it should be
	parts, bytes int64
	compared     bool
}

type hasher interface {
	io.Writer
	Sum(b []byte) []byte
}

func (u *unpacking) part(name string, size int64, r io.Reader, part sink) error {
	if u.compared {
		return fmt.Errorf("%w: %s comes after the digests", ErrNotArchive, name)
	}
	digest := sha256.New()
	content := io.TeeReader(r, digest)
	if err := part(name, size, content); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, err := io.Copy(io.Discard, content); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	u.parts++
	u.bytes += size
	sum := digest.Sum(nil)
	if _, err := io.WriteString(u.digest, sumLine(sum, name)); err != nil {
		return err
	}
	_, err := fmt.Fprintln(u.seen, hex.EncodeToString(sum), size, name)
	return err
}

// compare holds what was read against the archive's list.
func (u *unpacking) compare(sums io.Reader, seen *os.File) error {
	u.compared = true
	if err := u.seen.Flush(); err != nil {
		return err
	}
	if _, err := seen.Seek(0, io.SeekStart); err != nil {
		return err
	}
	want, got := bufio.NewScanner(sums), bufio.NewScanner(seen)
	for want.Scan() {
		digest, name, ok := strings.Cut(want.Text(), "  ")
		if !ok {
			return fmt.Errorf("%w: its list of digests cannot be read", ErrNotArchive)
		}
		if !got.Scan() {
			return fmt.Errorf("%w: its part %s is missing", ErrNotArchive, name)
		}
		read := strings.SplitN(got.Text(), " ", 3)
		if read[2] != name {
			return fmt.Errorf("%w: there is %s where its list has %s", ErrNotArchive, read[2], name)
		}
		if read[0] != digest {
			return fmt.Errorf("%w: its part %s is damaged", ErrNotArchive, name)
		}
	}
	if err := errors.Join(want.Err(), got.Err()); err != nil {
		return err
	}
	if got.Scan() {
		return fmt.Errorf("%w: a part is not in its list of digests", ErrNotArchive)
	}
	return nil
}

func (u *unpacking) manifest(r io.Reader) (Manifest, error) {
	m, err := readManifest(r)
	switch {
	case err != nil:
		return m, err
	case !u.compared, m.Sums != hex.EncodeToString(u.digest.Sum(nil)), m.Parts != u.parts, m.Bytes != u.bytes:
		return m, fmt.Errorf("%w: its parts are not those of its manifest", ErrNotArchive)
	}
	return m, nil
}
