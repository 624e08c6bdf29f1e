package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/parley-chat/parley/internal/blob"
	"github.com/parley-chat/parley/internal/blob/disk"
	"github.com/parley-chat/parley/internal/content"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// checkDatabase checks a database file.
func checkDatabase(ctx context.Context, path string, report *Report, progress Progress) error {
	f, err := sqlite.OpenFile(ctx, path)
	if isDamage(err) {
		report.found(sqlite.Finding{Code: sqlite.DamagedPages, Detail: "the database cannot be opened: " + err.Error()})
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	begun := time.Now()
	report.Census, err = f.Verify(ctx, sqlite.Checks{
		Found: report.found, References: content.References,
		Progress: func(c sqlite.Census) { progress.tell("checking the database (rows)", c.Rows(), 0) },
	})
	report.Took = time.Since(begun)
	return err
}

// VerifyDir checks a data directory, which a server may be using: the database,
// and unless withoutFiles is set, the bytes of every upload. It changes nothing.
// The error says that it could not be checked.
func VerifyDir(ctx context.Context, dir string, withoutFiles bool, progress Progress) (*Report, error) {
	report := newReport()
	path := sqlite.DatabasePath(dir)
	if err := checkDatabase(ctx, path, report, progress); err != nil {
		return nil, fmt.Errorf("%s cannot be checked: %w", dir, err)
	}
	if withoutFiles {
		return report, nil
	}
	f, err := sqlite.OpenFile(ctx, path)
	if isDamage(err) {
		return report, nil // which has been told
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be checked: %w", dir, err)
	}
	defer f.Close()
	v := &fileCheck{report: report, database: f, view: disk.Look(blobsDir(dir)), progress: progress}
	if err := v.run(ctx); err != nil {
		return nil, fmt.Errorf("%s cannot be checked: %w", dir, err)
	}
	return report, nil
}

// fileCheck is the check of the files in a data directory.
type fileCheck struct {
	report   *Report
	database *sqlite.File
	view     disk.View
	progress Progress
}

func (v *fileCheck) run(ctx context.Context) error {
	err := v.database.BlobsInParts(ctx, func(b sqlite.Blob) error { return v.file(ctx, b) })
	if isDamage(err) {
		v.report.found(sqlite.Finding{Code: sqlite.DamagedUnreadable, Detail: "the uploads cannot be read: " + err.Error()})
		return nil
	}
	if err != nil {
		return err
	}
	return v.view.Keys(ctx, func(key string) error { return v.orphan(ctx, key) })
}

func (v *fileCheck) file(ctx context.Context, b sqlite.Blob) error {
	object, err := v.view.Open(ctx, b.Key)
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrKey) {
		// It may have been replaced or collected since the row was read.
		still, err := v.database.HasBlob(ctx, b.Upload, b.Key)
		if err == nil && still {
			v.report.found(noBytes(b))
		}
		return err
	}
	if err != nil {
		return err
	}
	defer object.Close()
	digest := sha256.New()
	size, err := io.Copy(digest, until(ctx, object))
	if err != nil {
		return err
	}
	if size != b.Size || !bytes.Equal(digest.Sum(nil), b.SHA256) {
		v.report.found(otherBytes(b))
	}
	v.report.Files++
	v.report.Bytes += size
	v.progress.tell("checking files (bytes)", v.report.Bytes, 0)
	return nil
}

// orphan lists a file that nothing points to, if it is one.
func (v *fileCheck) orphan(ctx context.Context, key string) error {
	known, err := v.database.KnowsBlob(ctx, key)
	if err != nil || known {
		return err
	}
	object, err := v.view.Open(ctx, key)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return nil // deleted, and then forgotten, since it was seen
	case errors.Is(err, blob.ErrKey): // a name that no store gives
	case err != nil:
		return err
	default:
		_ = object.Close()
	}
	v.report.orphan(key)
	return nil
}

// VerifyArchive checks a backup: that its parts are those that were packed, its
// database, and the bytes of every upload. scratch is where the database is
// unpacked to; "" takes the system's place for temporary files.
func VerifyArchive(ctx context.Context, from io.Reader, scratch string, progress Progress) (Manifest, *Report, error) {
	dir, err := os.MkdirTemp(scratch, "parley-verify-*")
	if err != nil {
		return Manifest{}, nil, fmt.Errorf("making room for the database: %w", err)
	}
	defer os.RemoveAll(dir)
	m, report, err := verifyArchive(ctx, from, dir, progress)
	if err != nil {
		return m, nil, fmt.Errorf("the backup cannot be checked: %w", err)
	}
	return m, report, nil
}

func verifyArchive(ctx context.Context, from io.Reader, dir string, progress Progress) (Manifest, *Report, error) {
	report := newReport()
	seen, err := os.Create(filepath.Join(dir, "seen"))
	if err != nil {
		return Manifest{}, nil, err
	}
	defer seen.Close()
	database := filepath.Join(dir, databasePart)
	var read int64
	m, err := unpack(ctx, from, seen, func(name string, size int64, r io.Reader) error {
		defer func() { read += size; progress.tell("reading the backup (bytes)", read, 0) }()
		if name == databasePart {
			return writeFile(database, r)
		}
		return nil
	})
	if errors.Is(err, ErrNotArchive) {
		report.found(sqlite.Finding{Code: DamagedArchive, Detail: err.Error()})
		return m, report, nil
	}
	if err != nil {
		return m, nil, err
	}
	if err := checkDatabase(ctx, database, report, progress); err != nil {
		return m, nil, err
	}
	f, err := sqlite.OpenFile(ctx, database)
	if isDamage(err) {
		return m, report, nil // which has been told
	}
	if err != nil {
		return m, nil, err
	}
	defer f.Close()
	return m, report, compareFiles(ctx, f, seen, report)
}

// DamagedArchive is the code of a finding in an archive itself.
const DamagedArchive = "archive"

// compareFiles holds the files that were in an archive against the uploads of
// its database. Both are in the order of keys.
func compareFiles(ctx context.Context, f *sqlite.File, seen *os.File, report *Report) error {
	if _, err := seen.Seek(0, io.SeekStart); err != nil {
		return err
	}
	packed := &packedFiles{lines: bufio.NewScanner(seen)}
	packed.next()
	err := f.Blobs(ctx, func(b sqlite.Blob) error {
		for packed.key != "" && packed.key < b.Key {
			report.orphan(packed.key)
			packed.next()
		}
		if packed.key != b.Key {
			report.found(noBytes(b))
			return nil
		}
		if packed.size != b.Size || packed.digest != hex.EncodeToString(b.SHA256) {
			report.found(otherBytes(b))
		}
		report.Files++
		report.Bytes += packed.size
		packed.next()
		return nil
	})
	if isDamage(err) {
		return nil // which has been told
	}
	for packed.key != "" {
		report.orphan(packed.key)
		packed.next()
	}
	return errors.Join(err, packed.lines.Err())
}

// packedFiles goes through the list that unpack writes.
type packedFiles struct {
	lines       *bufio.Scanner
	key, digest string // key is "" at the end
	size        int64
}

func (p *packedFiles) next() {
	p.key = ""
	if !p.lines.Scan() {
		return
	}
	fields := strings.SplitN(p.lines.Text(), " ", 3)
	key, ok := strings.CutPrefix(fields[2], blobsPrefix)
	if !ok {
		return // files come first
	}
	p.digest, p.key = fields[0], key
	p.size, _ = strconv.ParseInt(fields[1], 10, 64) // unpack wrote it
}
