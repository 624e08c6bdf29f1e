package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	sqlite3 "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/parley-chat/parley/internal/upload"
)

// Errors of opening a file that a server may be using.
var (
	// ErrNoData says that there is no database where one was looked for.
	ErrNoData = errors.New("there is no Parley data")
	// ErrNewer says that a newer version has written the data.
	ErrNewer = errors.New("the data was written by a newer version of Parley")
)

const (
	databaseName = "parley.db"
	restoringDir = "restoring"
)

// DatabasePath is where the database of a data directory lies.
func DatabasePath(dir string) string { return filepath.Join(dir, databaseName) }

// RestoringPath is the folder in a data directory in which a restore gathers
// its parts. While it is there, the directory is not opened.
func RestoringPath(dir string) string { return filepath.Join(dir, restoringDir) }

// Lock takes a data directory for this process, which keeps servers out, until
// it is closed. It fails where another process has it.
func Lock(dir string) (io.Closer, error) { return lockDir(dir) }

// File is a database opened for reading only. The server whose database it is
// may be running: the two do not wait for each other. It is safe for
// concurrent use.
type File struct {
	path    string
	db      *sql.DB
	version int64
}

// OpenFile opens a database file for reading. It gives ErrNoData where there is
// none, and ErrNewer for one it cannot understand. Older ones are read as they
// are.
func OpenFile(ctx context.Context, path string) (*File, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s does not exist", ErrNoData, path)
	} else if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	f := &File{path: path}
	err := f.open(ctx, false)
	if mustStay(err) && !hasLog(path) {
		// Where nothing can be written there is no room for the files that
		// SQLite keeps beside a database, and nobody to write to it either.
		err = f.open(ctx, true)
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, classify(err))
	}
	return f, nil
}

// mustStay tells of the errors of a place where SQLite may not write.
func mustStay(err error) bool {
	e, ok := errors.AsType[*sqlite3.Error](err)
	return ok && (e.Code()&0xff == sqlitelib.SQLITE_CANTOPEN || e.Code()&0xff == sqlitelib.SQLITE_READONLY)
}

// hasLog tells whether a part of the data lies in the write-ahead log.
func hasLog(path string) bool {
	info, err := os.Stat(path + "-wal")
	return err == nil && info.Size() > 0
}

func (f *File) open(ctx context.Context, immutable bool) error {
	// Sorting goes to temporary files, not to memory: there may be millions of rows.
	q := url.Values{"mode": {"ro"}, "_pragma": {
		"busy_timeout(10000)", "query_only(1)", "temp_store(1)", "cache_size(-16000)",
	}}
	if immutable {
		q.Set("immutable", "1")
	}
	db, err := sql.Open("sqlite", fileURI(f.path, q))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(4)
	if f.version, err = versionOf(ctx, db); err != nil {
		return errors.Join(err, db.Close())
	}
	f.db = db
	return nil
}

// versionOf gives the version of a database's schema.
func versionOf(ctx context.Context, db *sql.DB) (int64, error) {
	var tables int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema
		WHERE type = 'table' AND name IN ('goose_db_version', 'meetings', 'messages')`).Scan(&tables); err != nil {
		return 0, err
	}
	if tables < 3 {
		return 0, fmt.Errorf("%w: this is another database", ErrNoData)
	}
	var version int64
	if err := db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&version); err != nil {
		return 0, err
	}
	newest, err := newestVersion()
	if err != nil {
		return 0, err
	}
	if version > newest {
		return 0, fmt.Errorf("%w: it is of version %d, this one knows versions up to %d", ErrNewer, version, newest)
	}
	return version, nil
}

func newestVersion() (int64, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, err
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) == 0 {
		return 0, errors.Join(errors.New("there are no migrations"), err)
	}
	var version int64
	_, err = fmt.Sscanf(names[len(names)-1], "%d_", &version)
	return version, err
}

// Close gives the file free.
func (f *File) Close() error { return f.db.Close() }

// Blob is what an upload says about its bytes.
type Blob struct {
	Upload string
	Key    string
	Size   int64
	SHA256 []byte
}

// Blobs calls each for every upload whose bytes have arrived, in the order of
// their keys. It reads in one go and is for files that nobody writes to.
func (f *File) Blobs(ctx context.Context, each func(Blob) error) error {
	return eachBlob(ctx, f.db, each, `SELECT id, blob, COALESCE(size, -1), sha256 FROM uploads WHERE blob IS NOT NULL ORDER BY blob`)
}

// BlobsInParts is Blobs in the order of uploads, in short reads, which keep a
// server that writes to the file from nothing.
func (f *File) BlobsInParts(ctx context.Context, each func(Blob) error) error {
	const part = 500
	after := ""
	for {
		var blobs []Blob
		err := eachBlob(ctx, f.db, func(b Blob) error { blobs = append(blobs, b); return nil },
			`SELECT id, blob, COALESCE(size, -1), sha256 FROM uploads WHERE blob IS NOT NULL AND id > ? ORDER BY id LIMIT ?`, after, part)
		if err != nil {
			return err
		}
		for _, b := range blobs {
			if err := each(b); err != nil {
				return err
			}
		}
		if len(blobs) < part {
			return nil
		}
		after = blobs[len(blobs)-1].Upload
	}
}

func eachBlob(ctx context.Context, db *sql.DB, one func(Blob) error, query string, args ...any) error {
	err := each(ctx, db, query, args, func(scan scanner) error {
		var b Blob
		if err := scan(&b.Upload, &b.Key, &b.Size, &b.SHA256); err != nil {
			return err
		}
		return one(b)
	})
	if err != nil {
		return fmt.Errorf("going through the files: %w", classify(err))
	}
	return nil
}

// HasBlob tells whether an upload still has its bytes under this key.
func (f *File) HasBlob(ctx context.Context, id, key string) (bool, error) {
	var n int
	err := f.db.QueryRowContext(ctx, `SELECT count(*) FROM uploads WHERE id = ? AND blob = ?`, id, key).Scan(&n)
	return n > 0, classify(err)
}

// KnowsBlob tells whether the database knows of bytes under a key: as those of
// an upload, or as some that are on their way in or out.
func (f *File) KnowsBlob(ctx context.Context, key string) (bool, error) {
	var n int
	err := f.db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM loose_blobs WHERE key = ?1) +
		(SELECT count(*) FROM uploads WHERE id = ?2 AND blob = ?1)`, key, string(upload.OfKey(key))).Scan(&n)
	return n > 0, classify(err)
}
