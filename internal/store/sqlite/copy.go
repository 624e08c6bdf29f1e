package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"time"

	sqlite3 "modernc.org/sqlite"
)

// Cut says what a copy holds: everything that was committed before it was
// begun, counted.
type Cut struct {
	// Version is that of the schema.
	Version int64 `json:"schema"`
	// Entries counts what all journals hold together; NewestAt is the time of
	// the newest entry, in unix milliseconds.
	Entries      int64 `json:"entries"`
	NewestAt     int64 `json:"newest_at"`
	Meetings     int64 `json:"meetings"`
	Participants int64 `json:"participants"`
	Sessions     int64 `json:"sessions"`
	Uploads      int64 `json:"uploads"`
}

// copyPages is how many pages are copied between two looks at the context.
const copyPages = 512

// Copy copies the database as it is at this moment to a new file, page by page.
// A server that writes to it is not held up: its write-ahead log grows by what
// it writes meanwhile, and is used again afterwards. progress is told how many
// pages of how many are copied.
//
// Damage is copied like anything else. The copy is durable, and one file
// without a log beside it.
func (f *File) Copy(ctx context.Context, to string, progress func(done, all int)) (Cut, error) {
	conn, err := f.db.Conn(ctx)
	if err != nil {
		return Cut{}, err
	}
	defer conn.Close()
	// The transaction is one snapshot for the counts and all pages.
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return Cut{}, fmt.Errorf("copying the database: %w", classify(err))
	}
	defer func() { _ = tx.Rollback() }() // it has written nothing
	cut, err := cutOf(ctx, tx)
	if err != nil {
		return Cut{}, fmt.Errorf("copying the database: %w", classify(err))
	}
	err = conn.Raw(func(c any) error { return copyPagesOf(ctx, c, to, progress) })
	if err == nil {
		err = withoutLog(ctx, to)
	}
	if err != nil {
		return Cut{}, fmt.Errorf("copying the database: %w", classify(err))
	}
	return cut, nil
}

func cutOf(ctx context.Context, tx *sql.Tx) (Cut, error) {
	var c Cut
	err := tx.QueryRowContext(ctx, `SELECT
		(SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied),
		COALESCE(SUM(last_seq), 0), COALESCE(MAX(last_at), 0), count(*),
		(SELECT count(*) FROM participants), (SELECT count(*) FROM sessions), (SELECT count(*) FROM uploads)
		FROM meetings`).Scan(&c.Version, &c.Entries, &c.NewestAt, &c.Meetings, &c.Participants, &c.Sessions, &c.Uploads)
	return c, err
}

func copyPagesOf(ctx context.Context, conn any, to string, progress func(done, all int)) error {
	source, ok := conn.(interface {
		NewBackup(uri string) (*sqlite3.Backup, error)
	})
	if !ok {
		return errors.New("the driver cannot copy databases")
	}
	target, err := source.NewBackup(fileURI(to, nil))
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		if err = context.Cause(ctx); err != nil {
			break
		}
		more, err = target.Step(copyPages)
		if progress != nil {
			progress(target.PageCount()-target.Remaining(), target.PageCount())
		}
	}
	if err != nil {
		return errors.Join(err, target.Finish())
	}
	var end driver.Conn
	if end, err = target.Commit(); err != nil {
		return err
	}
	return end.Close()
}

func fileURI(path string, q url.Values) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// withoutLog makes a database one plain file: a copy of one with a write-ahead
// log would want to have one, too.
func withoutLog(ctx context.Context, path string) error {
	return change(ctx, path, func(*sql.Conn) error { return nil })
}

// change changes a database file that nobody else uses.
func change(ctx context.Context, path string, f func(*sql.Conn) error) (err error) {
	db, err := sql.Open("sqlite", fileURI(path, url.Values{
		"mode": {"rw"}, "_pragma": {"journal_mode(DELETE)", "synchronous(FULL)", "secure_delete(1)", "temp_store(1)"},
	}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.PingContext(ctx); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := f(conn); err != nil {
		_, undone := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return errors.Join(err, undone)
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return err
}

// ForgetBytes makes uploads of a copy what they were before their bytes
// arrived. Nothing else may use the file.
func ForgetBytes(ctx context.Context, path string, uploads []string) error {
	err := change(ctx, path, func(conn *sql.Conn) error {
		for _, id := range uploads {
			if _, err := conn.ExecContext(ctx, `UPDATE uploads SET blob = NULL, size = NULL, sha256 = NULL, media_type = ''
				WHERE id = ?`, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forgetting files that are gone: %w", classify(err))
	}
	return nil
}

// Renewal tells what else of a database is renewed.
type Renewal struct {
	// NewKeys takes the server's keys out. New ones are made when they are
	// asked for.
	NewKeys bool
	// NoWebhooks switches all webhooks off and drops what waits to be delivered.
	NoWebhooks bool
	// Backup is when the backup was made that is put to use, and Now when that
	// happens, for the audit log. Zero means that nothing is logged.
	Backup, Now time.Time
}

// The versions of the schema that have these first.
const (
	firstWebhooks = 4
	firstAudit    = 12
)

// Renew gives every meeting of a database a new epoch, so that nobody takes
// what is numbered from now on for what was numbered before: a copy that is put
// to use goes on from an earlier point. Nothing else may use the file.
func Renew(ctx context.Context, path string, r Renewal) error {
	err := change(ctx, path, func(conn *sql.Conn) error {
		var version int64
		if err := conn.QueryRowContext(ctx, `SELECT MAX(version_id) FROM goose_db_version WHERE is_applied`).Scan(&version); err != nil {
			return err
		}
		statements := []string{`UPDATE meetings SET epoch = lower(hex(randomblob(16)))`}
		if r.NewKeys {
			statements = append(statements, `DELETE FROM keys`)
		}
		if r.NoWebhooks && version >= firstWebhooks {
			statements = append(statements, `UPDATE webhooks SET enabled = 0`,
				`UPDATE deliveries SET due_at = NULL, leased_until = 0 WHERE due_at IS NOT NULL`)
		}
		for _, s := range statements {
			if _, err := conn.ExecContext(ctx, s); err != nil {
				return err
			}
		}
		if r.Backup.IsZero() || version < firstAudit {
			return nil
		}
		return logRestore(ctx, conn, r.Backup, r.Now)
	})
	if err != nil {
		return fmt.Errorf("renewing the epochs: %w", classify(err))
	}
	return nil
}
