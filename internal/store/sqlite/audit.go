package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/parley-chat/parley/internal/audit"
	"github.com/parley-chat/parley/internal/chat"
)

// This file keeps the audit log. Rows are only added: triggers of the schema
// refuse all else.

// about names what the job at hand is done to, where its caller cannot know:
// what is being made.
func (tx *Tx) about(kind, id string) { tx.objectKind, tx.objects = kind, []string{id} }

// aboutEach is about, for what is done to several: each gets a row, and nothing
// is logged where there is none.
func aboutEach[ID ~string](tx *Tx, kind string, ids []ID) {
	tx.objectKind, tx.objects = kind, make([]string, 0, len(ids))
	for _, id := range ids {
		tx.objects = append(tx.objects, string(id))
	}
}

// aboutApp is about, for what concerns an app that may not be the caller's.
func (tx *Tx) aboutApp(app chat.AppID, kind, id string) {
	tx.about(kind, id)
	tx.objectApp = app
}

// audited has fn leave rows of the act that is done in ctx, if there is one.
func audited(ctx context.Context, fn func(*Tx) error) func(*Tx) error {
	act, ok := audit.From(ctx)
	if !ok {
		return fn
	}
	return func(tx *Tx) error {
		tx.objectApp, tx.objectKind, tx.objects = "", "", nil
		if err := fn(tx); err != nil {
			return err
		}
		done := act
		if tx.objectApp != "" {
			done.App = tx.objectApp
		}
		if tx.objects == nil {
			return tx.Audit(done)
		}
		for _, id := range tx.objects {
			done.ObjectKind, done.Object = tx.objectKind, id
			if err := tx.Audit(done); err != nil {
				return err
			}
		}
		return nil
	}
}

// Audit implements journal.Tx: it adds a row.
func (tx *Tx) Audit(act audit.Act) error {
	r := auditRow{Row: audit.Row{Act: act}, at: tx.db.config.Now().UnixMilli()}
	var last []byte
	if _, err := tx.row(auditEnd, nil, &r.No, &last); err != nil {
		return err
	}
	_, err := tx.exec(auditAdd, r.after(last)...)
	return err
}

// logRestore adds a row to the log of a database that nobody uses: from which
// backup it was made.
func logRestore(ctx context.Context, conn *sql.Conn, of, now time.Time) error {
	r := auditRow{at: now.UnixMilli(), Row: audit.Row{Act: audit.Act{
		By: audit.Operator, Action: "restore", Route: "parley restore", ObjectKind: "backup", Object: of.UTC().Format(time.RFC3339),
	}}}
	var last []byte
	if err := conn.QueryRowContext(ctx, auditEnd).Scan(&r.No, &last); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	_, err := conn.ExecContext(ctx, auditAdd, r.after(last)...)
	return err
}

const (
	auditEnd = `SELECT no, chain FROM audit ORDER BY no DESC LIMIT 1`
	auditAdd = `INSERT INTO audit (` + auditColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// after makes a row, whose number is that of the one before, the next one, and
// gives its columns.
func (r *auditRow) after(last []byte) []any {
	r.No++
	r.chain = r.sum(last)
	return []any{r.No, r.at, string(r.By), r.Actor, string(r.App), r.Action, r.Route, string(r.Meeting), r.ObjectKind, r.Object, r.chain}
}

// Record adds a row for what changes nothing else, and is durable when it
// returns.
func (db *DB) Record(ctx context.Context, act audit.Act) error {
	return db.update(audit.With(ctx, act), func(*Tx) error { return nil })
}

const auditColumns = `no, at, by_kind, actor, app, action, route, meeting, object_kind, object, chain`

type auditRow struct {
	audit.Row
	at    int64
	chain []byte
}

func (r *auditRow) dest() []any {
	return []any{&r.No, &r.at, &r.By, &r.Actor, &r.App, &r.Action, &r.Route, &r.Meeting, &r.ObjectKind, &r.Object, &r.chain}
}

// sum is the hash over the row before and this one.
func (r *auditRow) sum(last []byte) []byte {
	var c checksum
	c.num(r.No, r.at).text(string(r.By), r.Actor, string(r.App), r.Action, r.Route, string(r.Meeting), r.ObjectKind, r.Object)
	h := sha256.Sum256(append(bytes.Clone(last), c.buf...))
	return h[:]
}

// auditFilters are the columns by which rows are looked for, those first that
// leave the fewest rows.
var auditFilters = []struct {
	column string
	of     func(*audit.List) string
}{
	{"object", func(l *audit.List) string { return l.Object }},
	{"meeting", func(l *audit.List) string { return string(l.Meeting) }},
	{"actor", func(l *audit.List) string { return l.Actor }},
	{"app", func(l *audit.List) string { return string(l.App) }},
	{"action", func(l *audit.List) string { return l.Action }},
}

// auditQuery gives the statement for a list, which names the index to go by, and
// its arguments.
func auditQuery(l *audit.List) (text string, args []any) {
	by := ""
	for _, f := range auditFilters {
		value := f.of(l)
		if value == "" {
			continue
		}
		// A partial index is taken where the statement says that it may be.
		text += " AND " + f.column + " = ? AND " + f.column + " <> ''"
		args = append(args, value)
		if by == "" && f.column != "action" {
			by = " INDEXED BY audit_by_" + f.column
		}
	}
	return "SELECT " + auditColumns + " FROM audit" + by + " WHERE no < ? AND at >= ? AND at <= ?" + text + " ORDER BY no DESC LIMIT ?", args
}

// AuditLog lists rows, the newest first, and tells whether there are more.
func (db *DB) AuditLog(ctx context.Context, l audit.List) (rows []audit.Row, more bool, err error) {
	if l.Limit <= 0 {
		l.Limit = audit.DefaultListed
	}
	l.Limit = min(l.Limit, audit.MaxListed)
	if l.Before <= 0 {
		l.Before = math.MaxInt64
	}
	from, to := int64(0), int64(math.MaxInt64)
	if !l.From.IsZero() {
		from = l.From.UnixMilli()
	}
	if !l.To.IsZero() {
		to = l.To.UnixMilli()
	}
	text, wanted := auditQuery(&l)
	found, err := db.query(ctx, text, slices.Concat([]any{l.Before, from, to}, wanted, []any{l.Limit + 1})...)
	if err != nil {
		return nil, false, classify(err)
	}
	defer found.Close()
	for found.Next() {
		var r auditRow
		if err := found.Scan(r.dest()...); err != nil {
			return nil, false, classify(err)
		}
		r.At = time.UnixMilli(r.at).UTC()
		rows = append(rows, r.Row)
	}
	more = len(rows) > l.Limit
	return rows[:min(l.Limit, len(rows))], more, classify(found.Err())
}

// audit checks that the log is as it was written, row by row. What is missing at
// its end alone cannot be seen.
func (v *verifier) audit(ctx context.Context, q *look) error {
	if there, err := hasTable(ctx, q, "audit"); err != nil || !there {
		return err
	}
	var no int64
	var last []byte
	return each(ctx, q, `SELECT `+auditColumns+` FROM audit ORDER BY no`, nil, func(scan scanner) error {
		var r auditRow
		if err := scan(r.dest()...); err != nil {
			return err
		}
		switch {
		case r.No != no+1:
			v.Found(Finding{Code: DamagedAudit, Detail: fmt.Sprintf("row %d of the audit log is missing", no+1)})
		case !bytes.Equal(r.chain, r.sum(last)):
			v.Found(Finding{Code: DamagedAudit, Detail: fmt.Sprintf("row %d of the audit log is not what was written", r.No)})
		}
		no, last = r.No, r.chain
		return nil
	})
}
