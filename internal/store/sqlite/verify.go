package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	sqlite3 "modernc.org/sqlite"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// This file and its neighbours verify_*.go check everything that a database
// promises about itself. They trust nothing: each table is read to its end, and
// what one says is held against what the others say.
//
// Memory does not grow with the number of rows: journals are streamed in the
// order of their numbers, and where another order is needed SQLite sorts in
// temporary files. A meeting is read in one transaction, for its head has to
// fit its rows; between meetings the database is let go, so that a server that
// runs meanwhile can put its write-ahead log away.

// Finding is one piece of damage. It names where, and never what was said.
type Finding struct {
	// Code says what kind of damage it is; see the constants. It is stable.
	Code string `json:"code"`
	// Meeting and Seq name the entry, where there is one.
	Meeting chat.MeetingID `json:"meeting,omitempty"`
	Seq     int64          `json:"seq,omitempty"`
	// Detail says it in words.
	Detail string `json:"detail"`
}

// The kinds of damage.
const (
	DamagedPages      = "pages"           // the file is not a sound SQLite database
	DamagedReference  = "reference"       // a row points to one that is not there
	DamagedChecksum   = "checksum"        // a row is not what was written
	DamagedSequence   = "sequence"        // an entry is missing, or is there twice
	DamagedTime       = "time"            // times do not increase with the numbers
	DamagedCounter    = "counter"         // a public or private number is wrong
	DamagedHead       = "head"            // a meeting's head is not that of its last entry
	DamagedState      = "state"           // a message is not what its changes made of it
	DamagedMailbox    = "mailbox"         // private entries and their index differ
	DamagedClientID   = "client_id"       // a client's id leads to no message of its own
	DamagedKey        = "idempotency_key" // an app's key leads to no message of the app
	DamagedSession    = "session"         // sessions, meetings and peers contradict each other
	DamagedUpload     = "upload"          // a message and the files it refers to do not fit
	DamagedStore      = "store"           // stores of apps are not counted right, or outlived their session
	DamagedWebhook    = "webhook"         // something waits for a webhook that is not there
	DamagedExport     = "export"          // files of sessions, and sessions, do not fit
	DamagedBlob       = "blob"            // the bytes of a file are missing or others
	DamagedAudit      = "audit"           // the audit log is not what was written
	DamagedUnreadable = "unreadable"      // a part could not be read at all
)

// Census counts what was checked.
type Census struct {
	Meetings  int64 `json:"meetings"`
	Messages  int64 `json:"messages"`
	Changes   int64 `json:"changes"`
	Mailbox   int64 `json:"mailbox"`
	ClientIDs int64 `json:"client_ids"`
	Keys      int64 `json:"idempotency_keys"`
	Sessions  int64 `json:"sessions"`
	Peers     int64 `json:"peers"`
	Uploads   int64 `json:"uploads"`
	// StoreItems are keys of stores, Deliveries what is or was told to webhooks.
	StoreItems int64 `json:"store_items"`
	Deliveries int64 `json:"deliveries"`
}

// Rows is how many rows that are.
func (c Census) Rows() int64 {
	return c.Meetings + c.Messages + c.Changes + c.Mailbox + c.ClientIDs + c.Keys + c.Sessions + c.Peers + c.Uploads +
		c.StoreItems + c.Deliveries
}

// Checks tells how to verify.
type Checks struct {
	// Found is told of each piece of damage. It is needed.
	Found func(Finding)
	// Progress, if any, is told now and then how much has been checked.
	Progress func(Census)
	// References tells which files a payload refers to; nil checks none.
	References func(kind chat.Kind, payload string) []chat.UploadID
}

// Verify checks the whole database. Damage is told to Found; the error says
// that checking itself was not possible, or that ctx has ended.
func (f *File) Verify(ctx context.Context, checks Checks) (Census, error) {
	v := &verifier{Checks: checks, file: f}
	part := func(what string, do func(context.Context, *look) error) func(context.Context) error {
		return func(ctx context.Context) error { return v.readable(ctx, what, do) }
	}
	for _, check := range []func(context.Context) error{
		part("the file", v.pages),
		part("what rows refer to", v.references),
		v.meetings,
		part("the journals", v.strays),
		part("the keys of messages by apps", v.keys),
		part("the sessions", v.sessions),
		part("the uploads", v.uploads),
		part("the audit log", v.audit),
		part("the stores", v.stores),
		part("what webhooks are told, and exports", v.told),
	} {
		if err := check(ctx); err != nil {
			return v.census, fmt.Errorf("checking the database: %w", err)
		}
	}
	return v.census, nil
}

type verifier struct {
	Checks

	file   *File
	census Census
}

// querier is what reads: the database, or a look at it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// look is a look at the database as it is at a moment. Statements are
// prepared once: some are asked for each row.
type look struct{ statements }

// QueryContext implements querier.
func (r *look) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := r.get(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// row reads one row.
func (r *look) row(ctx context.Context, query string, args []any, dest ...any) error {
	stmt, err := r.get(ctx, query)
	if err != nil {
		return err
	}
	return stmt.QueryRowContext(ctx, args...).Scan(dest...)
}

// readable does a part of the work in one read of the database. Pages that
// SQLite cannot make sense of are damage, too, and so are values of another
// type than the column's; what else there is to check, is checked.
func (v *verifier) readable(ctx context.Context, what string, do func(context.Context, *look) error) error {
	err := v.snapshot(ctx, do)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	_, fromSQLite := errors.AsType[*sqlite3.Error](err)
	if err = classify(err); fromSQLite && !errors.Is(err, journal.ErrDamaged) {
		return err
	}
	v.Found(Finding{Code: DamagedUnreadable, Detail: what + " cannot be read: " + err.Error()})
	return nil
}

// snapshot reads the database as it is at one moment.
func (v *verifier) snapshot(ctx context.Context, do func(context.Context, *look) error) error {
	tx, err := v.file.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // it has written nothing
	r := &look{statements{prepare: tx.PrepareContext}}
	defer r.close()
	return do(ctx, r)
}

// tick is told after each row of the large tables.
func (v *verifier) tick() {
	if v.Progress != nil && (v.census.Messages+v.census.Changes)%10_000 == 0 {
		v.Progress(v.census)
	}
}

// maxPageErrors is how many complaints SQLite makes about its pages before it
// gives up.
const maxPageErrors = 100

// pages lets SQLite check its file: every page, every tree, every index.
func (v *verifier) pages(ctx context.Context, q *look) error {
	return each(ctx, q, fmt.Sprintf(`PRAGMA integrity_check(%d)`, maxPageErrors), nil, func(scan scanner) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		if text != "ok" {
			v.Found(Finding{Code: DamagedPages, Detail: "SQLite: " + text})
		}
		return nil
	})
}

// references lets SQLite check its foreign keys.
func (v *verifier) references(ctx context.Context, q *look) error {
	return each(ctx, q, `PRAGMA foreign_key_check`, nil, func(scan scanner) error {
		var table, parent string
		var row, key sql.NullInt64
		if err := scan(&table, &row, &parent, &key); err != nil {
			return err
		}
		v.Found(Finding{Code: DamagedReference, Detail: fmt.Sprintf("a row of %s refers to a row of %s that does not exist", table, parent)})
		return nil
	})
}

// strays finds rows of journals that belong to no meeting. It skips from
// meeting to meeting by index.
func (v *verifier) strays(ctx context.Context, q *look) error {
	for _, table := range []string{"messages", "changes", "mailbox", "client_ids"} {
		last := int64(-1 << 62)
		for {
			var next sql.NullInt64
			if err := q.row(ctx, `SELECT MIN(meeting) FROM `+table+` WHERE meeting > ?`, []any{last}, &next); err != nil {
				return err
			}
			if !next.Valid {
				break
			}
			last = next.Int64
			var known int
			if err := q.row(ctx, `SELECT count(*) FROM meetings WHERE no = ?`, []any{last}, &known); err != nil {
				return err
			}
			if known == 0 {
				v.Found(Finding{Code: DamagedReference, Detail: fmt.Sprintf("%s has rows of meeting number %d, which does not exist", table, last)})
			}
		}
	}
	return nil
}

// scanner reads the columns of a row.
type scanner = func(dest ...any) error

// each reads rows one after the other.
func each(ctx context.Context, q querier, query string, args []any, one func(scanner) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := one(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
