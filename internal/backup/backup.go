// Package backup copies the data directory of a server, running or not, into
// one archive, makes a data directory of an archive, and checks either to the
// last byte.
//
// An archive is a tar file with these parts, in this order:
//
//	blobs/<key>      the files that uploads point to, in the order of their keys
//	ca/<name>        the certificate authority of "parley dev", if there is one
//	dev.json         what "parley dev" has set up, if it has
//	parley.db        the database, as one plain SQLite file
//	SHA256SUMS       the digest of each part before, as sha256sum writes them
//	manifest.json    what the archive is, and the digest of SHA256SUMS
//
// The database is the cut: it is copied first, in one snapshot, and packed last.
// Every file it points to was on disk at that moment, since an upload points to
// bytes only when they are. One that nobody refers to may be collected before it
// is packed; the database in the archive then says so. Since the manifest comes
// last, an archive that was cut off is known for one, also in a pipe.
package backup

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"regexp"
	"time"

	"github.com/parley-chat/parley/internal/blob"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// Format is the version of the archive. A later format gets another number.
const Format = 1

// The names in an archive.
const (
	blobsPrefix  = "blobs/"
	caPrefix     = "ca/"
	devPart      = "dev.json"
	databasePart = "parley.db"
	sumsPart     = "SHA256SUMS"
	manifestPart = "manifest.json"
)

// blobsDir is where a data directory keeps its files.
func blobsDir(dir string) string { return filepath.Join(dir, "blobs") }

// Manifest says what an archive is.
type Manifest struct {
	Format int `json:"format"`
	// Parley is the version that made it.
	Parley    string    `json:"parley"`
	CreatedAt time.Time `json:"created_at"`
	// Cut counts what the database holds.
	Cut sqlite.Cut `json:"cut"`
	// Parts and Bytes count what stands in SHA256SUMS, Sums is its digest.
	Parts int64  `json:"parts"`
	Bytes int64  `json:"bytes"`
	Sums  string `json:"sha256sums"`
}

// Errors that commands tell apart.
var (
	// ErrNotArchive says that something is no archive, or not all of one.
	ErrNotArchive = errors.New("this is not a whole backup of Parley")
	// ErrExists says that there is something where a backup is to go.
	ErrExists = errors.New("it exists already")
)

// maxManifest is the longest manifest that is read.
const maxManifest = 1 << 20

func readManifest(r io.Reader) (Manifest, error) {
	var m Manifest
	raw, err := io.ReadAll(io.LimitReader(r, maxManifest))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("%w: its manifest cannot be read: %w", ErrNotArchive, err)
	}
	if m.Format != Format {
		return m, fmt.Errorf("this backup has the format %d, this version of Parley reads %d: use a newer one", m.Format, Format)
	}
	return m, nil
}

// plainName is how other parts than files may be called.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// checkName refuses names that an archive does not have. What passes leads
// nowhere outside of the directory that is restored.
func checkName(name string) error {
	dir, base := path.Split(name)
	switch {
	case name == databasePart, name == devPart, name == sumsPart, name == manifestPart:
		return nil
	case dir == caPrefix && plainName.MatchString(base):
		return nil
	case dir == blobsPrefix && blob.CheckKey(base) == nil:
		return nil
	}
	return fmt.Errorf("%w: it has a part called %q", ErrNotArchive, name)
}

// sumLine is a line of SHA256SUMS.
func sumLine(sum []byte, name string) string { return hex.EncodeToString(sum) + "  " + name + "\n" }

// Progress is told how far a long step has come. What done and all count
// depends on the step; all may be 0 for unknown.
type Progress func(step string, done, all int64)

func (p Progress) tell(step string, done, all int64) {
	if p != nil {
		p(step, done, all)
	}
}

// maxListed is how many pieces of damage and orphans are listed; the others are
// counted.
const maxListed = 1000

// Report is what a check has found.
type Report struct {
	sqlite.Census

	// Files and Bytes count the files of uploads that were read.
	Files int64 `json:"files"`
	Bytes int64 `json:"file_bytes"`
	// Damage lists what is damaged, at most a thousand pieces; MoreDamage
	// counts the others.
	Damage     []sqlite.Finding `json:"damage"`
	MoreDamage int64            `json:"more_damage"`
	// Orphans lists files that nothing points to, likewise. They are no damage:
	// they take room.
	Orphans     []string `json:"orphans"`
	MoreOrphans int64    `json:"more_orphans"`

	// Took is how long the check of the database took.
	Took time.Duration `json:"-"`
}

// newReport makes an empty one, whose lists are lists in JSON, too.
func newReport() *Report { return &Report{Damage: []sqlite.Finding{}, Orphans: []string{}} }

// Clean tells whether nothing is damaged.
func (r *Report) Clean() bool { return len(r.Damage) == 0 }

// Pieces counts the pieces of damage.
func (r *Report) Pieces() int64 { return int64(len(r.Damage)) + r.MoreDamage }

func (r *Report) found(f sqlite.Finding) {
	if len(r.Damage) < maxListed {
		r.Damage = append(r.Damage, f)
	} else {
		r.MoreDamage++
	}
}

func (r *Report) orphan(name string) {
	if len(r.Orphans) < maxListed {
		r.Orphans = append(r.Orphans, name)
	} else {
		r.MoreOrphans++
	}
}

// isDamage tells whether an error of opening a database says that it is damaged.
func isDamage(err error) bool { return errors.Is(err, journal.ErrDamaged) }
