package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/parley-chat/parley/internal/blob"
	"github.com/parley-chat/parley/internal/blob/disk"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// Source says what to back up, and where to. Dir and either To or Out are
// needed.
type Source struct {
	// Dir is the data directory.
	Dir string
	// To is the file to make. It must not exist.
	To string
	// Out gets the archive instead of a file.
	Out io.Writer
	// Scratch is where the copy of the database lies meanwhile. Default: beside
	// To, else the system's place for temporary files.
	Scratch string
	// Unchecked leaves out the check of the copy.
	Unchecked bool
	// Version is that of the program.
	Version string
	// Now is the clock. Default time.Now.
	Now      func() time.Time
	Progress Progress
}

// Create makes an archive of a data directory, while a server uses it or not.
// Whatever had been acknowledged when Create began is in it. When it returns
// without an error the file is there, whole and durable; else there is none,
// and what was written to Out is known for no whole archive.
//
// Damage is no error: what is there is kept, and the report tells of it.
func Create(ctx context.Context, s Source) (Manifest, *Report, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	if err := s.check(); err != nil {
		return Manifest{}, nil, err
	}
	live, err := sqlite.OpenFile(ctx, sqlite.DatabasePath(s.Dir))
	if err != nil {
		return Manifest{}, nil, fmt.Errorf("%s cannot be backed up: %w", s.Dir, err)
	}
	defer live.Close()
	scratch, err := os.MkdirTemp(s.scratch())
	if err != nil {
		return Manifest{}, nil, fmt.Errorf("making room for the copy: %w", err)
	}
	defer os.RemoveAll(scratch)
	c := &creation{Source: s, live: live, scratch: scratch, report: newReport()}
	if err := c.run(ctx); err != nil {
		return Manifest{}, nil, fmt.Errorf("backing up %s: %w", s.Dir, err)
	}
	return c.manifest, c.report, nil
}

// check looks for what would make the work vain.
func (s Source) check() error {
	if _, err := os.Lstat(sqlite.RestoringPath(s.Dir)); err == nil {
		return fmt.Errorf("a restore into %s was not finished", s.Dir)
	}
	if s.Out != nil {
		return nil
	}
	if _, err := os.Lstat(s.To); err == nil {
		return fmt.Errorf("%s: %w", s.To, ErrExists)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("making the backup: %w", err)
	}
	return nil
}

func (s Source) scratch() (dir, pattern string) {
	switch {
	case s.Scratch != "":
		return s.Scratch, "parley-backup-*"
	case s.Out != nil:
		return "", "parley-backup-*"
	}
	return filepath.Dir(s.To), "." + filepath.Base(s.To) + ".partial-*"
}

// creation is one run of Create.
type creation struct {
	Source

	live     *sqlite.File // the server's database
	scratch  string
	manifest Manifest
	report   *Report
	gone     []string // uploads whose bytes were collected since the cut
}

func (c *creation) run(ctx context.Context) error {
	copied := filepath.Join(c.scratch, databasePart)
	c.manifest = Manifest{Format: Format, Parley: c.Version, CreatedAt: c.Now().UTC()}
	var err error
	if c.manifest.Cut, err = c.live.Copy(ctx, copied, func(done, all int) {
		c.Progress.tell("copying the database (pages)", int64(done), int64(all))
	}); err != nil {
		return err
	}
	if !c.Unchecked {
		if err := checkDatabase(ctx, copied, c.report, c.Progress); err != nil {
			return err
		}
	}
	if c.Out != nil {
		return c.pack(ctx, c.Out)
	}
	return c.packFile(ctx)
}

// packFile writes the archive under another name, and gives it its own when it
// is durable.
func (c *creation) packFile(ctx context.Context) error {
	half, err := os.OpenFile(c.half(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = c.pack(ctx, half)
	if err == nil {
		err = half.Sync()
	}
	if err := errors.Join(err, half.Close()); err != nil {
		return err
	}
	if _, err := os.Lstat(c.To); err == nil {
		return fmt.Errorf("%s: %w", c.To, ErrExists)
	}
	if err := os.Rename(half.Name(), c.To); err != nil {
		return err
	}
	return syncDir(filepath.Dir(c.To))
}

// half is the archive on its way. It lies beside its place, so that it can be
// renamed, whatever disk the copy of the database is on.
func (c *creation) half() string {
	if c.Scratch == "" {
		return filepath.Join(c.scratch, "archive")
	}
	return filepath.Join(filepath.Dir(c.To), "."+filepath.Base(c.To)+".partial")
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (c *creation) pack(ctx context.Context, out io.Writer) error {
	sums, err := os.OpenFile(filepath.Join(c.scratch, sumsPart), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer sums.Close()
	p := &packer{tar: tar.NewWriter(out), at: c.manifest.CreatedAt, sums: sums, digest: sha256.New()}
	for _, step := range []func(context.Context, *packer) error{c.packBlobs, c.packOthers, c.packDatabase} {
		if err := step(ctx, p); err != nil {
			return err
		}
	}
	c.manifest.Parts, c.manifest.Bytes = p.parts, p.bytes
	c.manifest.Sums = hex.EncodeToString(p.digest.Sum(nil))
	return p.end(ctx, c.manifest)
}

// packBlobs packs the bytes of all uploads in the copy.
func (c *creation) packBlobs(ctx context.Context, p *packer) error {
	copied, err := sqlite.OpenFile(ctx, filepath.Join(c.scratch, databasePart))
	if err != nil {
		return err
	}
	defer copied.Close()
	view := disk.Look(blobsDir(c.Dir))
	return copied.Blobs(ctx, func(b sqlite.Blob) error {
		object, err := view.Open(ctx, b.Key)
		switch {
		case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrKey):
			return c.missing(ctx, b)
		case err != nil:
			return err
		}
		defer object.Close()
		sum, err := p.add(ctx, blobsPrefix+b.Key, object.Size, object)
		if err != nil {
			return err
		}
		if object.Size != b.Size || !bytes.Equal(sum, b.SHA256) {
			c.report.found(otherBytes(b))
		}
		c.report.Files++
		c.report.Bytes += object.Size
		c.Progress.tell("packing files (bytes)", c.report.Bytes, 0)
		return nil
	})
}

// missing decides what it means that bytes are not there: bytes that were
// replaced or collected since the cut went after the database had said so.
func (c *creation) missing(ctx context.Context, b sqlite.Blob) error {
	still, err := c.live.HasBlob(ctx, b.Upload, b.Key)
	if err != nil {
		return err
	}
	if still {
		c.report.found(noBytes(b))
	} else {
		c.gone = append(c.gone, b.Upload)
	}
	return nil
}

func noBytes(b sqlite.Blob) sqlite.Finding {
	return sqlite.Finding{Code: sqlite.DamagedBlob, Detail: "the bytes of upload " + b.Upload + " are missing (file " + b.Key + ")"}
}

func otherBytes(b sqlite.Blob) sqlite.Finding {
	return sqlite.Finding{Code: sqlite.DamagedBlob, Detail: "the bytes of upload " + b.Upload + " are not those that were stored (file " + b.Key + ")"}
}

// packOthers packs what "parley dev" keeps in its data directory.
func (c *creation) packOthers(ctx context.Context, p *packer) error {
	entries, err := os.ReadDir(filepath.Join(c.Dir, caPrefix))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var names []string
	for _, e := range entries {
		if name := caPrefix + e.Name(); e.Type().IsRegular() && checkName(name) == nil {
			names = append(names, name)
		}
	}
	for _, name := range append(names, devPart) {
		err := p.addFile(ctx, name, filepath.Join(c.Dir, filepath.FromSlash(name)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (c *creation) packDatabase(ctx context.Context, p *packer) error {
	copied := filepath.Join(c.scratch, databasePart)
	if len(c.gone) > 0 {
		if err := sqlite.ForgetBytes(ctx, copied, c.gone); err != nil {
			return err
		}
	}
	c.Progress.tell("packing the database", 0, 0)
	return p.addFile(ctx, databasePart, copied)
}

// packer writes the parts of an archive.
type packer struct {
	tar    *tar.Writer
	at     time.Time
	sums   *os.File  // what SHA256SUMS will hold
	digest hash.Hash // of that

	parts, bytes int64
}

func (p *packer) addFile(ctx context.Context, name, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = p.add(ctx, name, info.Size(), f)
	return err
}

// add packs a part and gives its digest.
func (p *packer) add(ctx context.Context, name string, size int64, r io.Reader) ([]byte, error) {
	digest := sha256.New()
	if err := p.write(ctx, name, size, io.TeeReader(r, digest)); err != nil {
		return nil, err
	}
	p.parts++
	p.bytes += size
	sum := digest.Sum(nil)
	_, err := io.WriteString(io.MultiWriter(p.sums, p.digest), sumLine(sum, name))
	return sum, err
}

func (p *packer) write(ctx context.Context, name string, size int64, r io.Reader) error {
	if err := p.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: p.at.Truncate(time.Second), Format: tar.FormatPAX,
	}); err != nil {
		return fmt.Errorf("packing %s: %w", name, err)
	}
	if _, err := io.CopyN(p.tar, until(ctx, r), size); err != nil {
		return fmt.Errorf("packing %s: %w", name, err)
	}
	return nil
}

// end packs the list of digests and the manifest.
func (p *packer) end(ctx context.Context, m Manifest) error {
	size, err := p.sums.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := p.sums.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := p.write(ctx, sumsPart, size, p.sums); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := p.write(ctx, manifestPart, int64(len(raw)), bytes.NewReader(raw)); err != nil {
		return err
	}
	return p.tar.Close()
}

// until reads r until ctx ends.
func until(ctx context.Context, r io.Reader) io.Reader { return &reader{ctx, r} }

type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
