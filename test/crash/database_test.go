package crash_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	_ "modernc.org/sqlite" // the driver of the database that is looked into
)

// The database is looked into only after the server has stopped in order, and
// never where it lies: the data directory may be on a disk that this very
// process serves, which must not open a database on it. Reading files is safe.

// entry is one of a meeting's journal.
type entry struct {
	step
	seq, pub, at int64
	to           []string
}

// visible tells whether a person may hear of an entry.
func (e entry) visible(p *person) bool { return e.pub > 0 || slices.Contains(e.to, p.id) }

// audit checks that all counts in the database are gapless, and that what each
// voice heard in each round, changes included, is one piece of the journal as
// it may see it.
func (w *world) audit(ctx context.Context) {
	w.Helper()
	db := w.copyDatabase()
	defer db.Close()
	var verdict string
	w.must(db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&verdict))
	if verdict != "ok" {
		w.Errorf("the database is not sound: %s", verdict)
	}
	for _, m := range w.meetings {
		entries := w.entries(ctx, db, m)
		w.checkCounts(ctx, db, m, entries)
		w.checkMailbox(ctx, db, m, entries)
		for _, p := range m.people {
			w.checkAccounts(p, entries)
		}
	}
}

func (w *world) copyDatabase() *sql.DB {
	w.Helper()
	dir := w.TempDir()
	for _, name := range []string{"parley.db", "parley.db-wal"} {
		if err := copyFile(filepath.Join(w.data, name), filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "parley.db")+"?_pragma=query_only(1)")
	w.must(err)
	return db
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// entries reads the whole journal of a meeting.
func (w *world) entries(ctx context.Context, db *sql.DB, m *meeting) []entry {
	w.Helper()
	rows, err := db.QueryContext(ctx, `
		SELECT m.seq, m.pub, m.at, 1, m.id, m.audience
			FROM messages m JOIN meetings g ON g.no = m.meeting WHERE g.id = ?1
		UNION ALL
		SELECT c.seq, c.pub, c.at, c.kind, m.id, m.audience
			FROM changes c JOIN messages m ON m.meeting = c.meeting AND m.seq = c.target
			JOIN meetings g ON g.no = c.meeting WHERE g.id = ?1
		ORDER BY 1`, m.id)
	w.must(err)
	defer rows.Close()
	var entries []entry
	for rows.Next() {
		var e entry
		var to string
		w.must(rows.Scan(&e.seq, &e.pub, &e.at, &e.kind, &e.id, &to))
		e.to = strings.Fields(to)
		entries = append(entries, e)
	}
	w.must(rows.Err())
	return entries
}

// checkCounts checks seq, pub and time, and the head of the journal.
func (w *world) checkCounts(ctx context.Context, db *sql.DB, m *meeting, entries []entry) {
	w.Helper()
	var last entry
	for i, e := range entries {
		if e.seq != int64(i+1) {
			w.Fatalf("entry %d of the journal has the number %d", i+1, e.seq)
		}
		if e.at <= last.at {
			w.Errorf("entry %d is of %d, the one before of %d", e.seq, e.at, last.at)
		}
		pub := last.pub
		if len(e.to) == 0 {
			pub++
		}
		if e.pub != 0 && e.pub != pub || e.pub == 0 && len(e.to) == 0 {
			w.Fatalf("entry %d has the public number %d, want %d", e.seq, e.pub, pub)
		}
		last = entry{seq: e.seq, pub: pub, at: e.at}
	}
	var head entry
	w.must(db.QueryRowContext(ctx, `SELECT last_seq, last_pub, last_at FROM meetings WHERE id = ?`, m.id).
		Scan(&head.seq, &head.pub, &head.at))
	if head.seq != last.seq || head.pub != last.pub || head.at != last.at {
		w.Errorf("the head of the journal says %+v, its entries end with %+v", head, last)
	}
	w.Logf("a meeting has %d entries, %d of them public", last.seq, last.pub)
}

// checkMailbox checks that everybody's private entries are numbered without a
// gap, in the order of the journal, and all there.
func (w *world) checkMailbox(ctx context.Context, db *sql.DB, m *meeting, entries []entry) {
	w.Helper()
	for _, p := range m.people {
		var want, got []int64
		for _, e := range entries {
			if e.pub == 0 && e.visible(p) {
				want = append(want, e.seq)
			}
		}
		rows, err := db.QueryContext(ctx, `SELECT b.own, b.seq FROM mailbox b JOIN meetings g ON g.no = b.meeting
			WHERE g.id = ? AND b.participant = ? ORDER BY b.own`, m.id, p.id)
		w.must(err)
		for rows.Next() {
			var own, seq int64
			w.must(rows.Scan(&own, &seq))
			got = append(got, seq)
			if own != int64(len(got)) {
				w.Errorf("private entry %d of %s has the number %d", len(got), p.id, own)
			}
		}
		w.must(rows.Err())
		if !slices.Equal(got, want) {
			w.Errorf("%s has %d private entries in the mailbox and %d in the journal, or others", p.id, len(got), len(want))
		}
	}
}

// checkAccounts finds what each voice of a person heard in the journal, round
// by round.
func (w *world) checkAccounts(p *person, entries []entry) {
	w.Helper()
	var journal []step
	begins := make(map[step]int)
	for _, e := range entries {
		if e.visible(p) {
			begins[e.step] = len(journal)
			journal = append(journal, e.step)
		}
	}
	for _, v := range p.voices {
		for round, account := range v.accounts {
			if len(account) == 0 {
				continue
			}
			// The first thing of a round is that a message was said, and that
			// happens to it once.
			from, ok := begins[account[0]]
			if !ok || from+len(account) > len(journal) || !slices.Equal(journal[from:from+len(account)], account) {
				w.Errorf("what voice %d heard in round %d, %d things, is not a piece of the journal", v.number, round+1, len(account))
			}
		}
	}
}
