//go:build linux

package powercut

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the driver this test puts on the disk
)

// SQLite runs in a process of its own, this test binary started once more;
// the package comment says why. These name what that process is to do.
const (
	roleVariable        = "PARLEY_POWERCUT_ROLE" // writer or reader
	databaseVariable    = "PARLEY_POWERCUT_DATABASE"
	synchronousVariable = "PARLEY_POWERCUT_SYNCHRONOUS" // FULL or NORMAL
	rowsVariable        = "PARLEY_POWERCUT_ROWS"        // how many to write
)

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := play(role, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func play(role string, out io.Writer) error {
	db, err := openDatabase(os.Getenv(databaseVariable), os.Getenv(synchronousVariable))
	if err != nil {
		return err
	}
	defer db.Close()
	if role == "reader" {
		return report(db, out)
	}
	rows, err := strconv.Atoi(os.Getenv(rowsVariable))
	if err != nil {
		return fmt.Errorf("read %s: %w", rowsVariable, err)
	}
	return writeRows(db, rows, out)
}

func openDatabase(path, synchronous string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous("+synchronous+")")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"); err != nil {
		db.Close()
		return nil, fmt.Errorf("create the table: %w", err)
	}
	return db, nil
}

// textOf is what the row ?1 holds: its id, at a length that varies.
const textOf = "printf('%0*d', 20 + ?1 % 300, ?1)"

// writeRows commits one row after the other and acknowledges each by its id.
func writeRows(db *sql.DB, rows int, acks io.Writer) error {
	var last int
	if err := db.QueryRow("SELECT coalesce(max(id), 0) FROM messages").Scan(&last); err != nil {
		return fmt.Errorf("find the last row: %w", err)
	}
	insert, err := db.Prepare("INSERT INTO messages VALUES (?1, " + textOf + ")")
	if err != nil {
		return fmt.Errorf("prepare the insert: %w", err)
	}
	for id := last + 1; id <= last+rows; id++ {
		if _, err := insert.Exec(id); err != nil {
			return fmt.Errorf("insert row %d: %w", id, err)
		}
		fmt.Fprintln(acks, id)
	}
	return nil
}

// report says what is in the database: "integrity rows last wrong".
func report(db *sql.DB, out io.Writer) error {
	var integrity string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&integrity); err != nil {
		return fmt.Errorf("check integrity: %w", err)
	}
	var rows, last, wrong int
	err := db.QueryRow("SELECT count(*), coalesce(max(id), 0), coalesce(sum(text <> "+
		strings.ReplaceAll(textOf, "?1", "id")+"), 0) FROM messages").Scan(&rows, &last, &wrong)
	if err != nil {
		return fmt.Errorf("count rows: %w", err)
	}
	_, err = fmt.Fprintf(out, "%q %d %d %d\n", integrity, rows, last, wrong)
	return err
}

// process is this test binary in a role. It is killed when the test ends.
func process(tb testing.TB, role, database, synchronous string, rows int) *exec.Cmd {
	tb.Helper()
	executable, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), executable)
	cmd.Env = append(os.Environ(),
		// The race detector makes a process sleep a second before it ends.
		"GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"),
		roleVariable+"="+role,
		databaseVariable+"="+database,
		synchronousVariable+"="+synchronous,
		rowsVariable+"="+strconv.Itoa(rows))
	return cmd
}

// endless is more rows, and more acknowledgements, than any test waits for.
const endless = 1 << 30

// writer is a process that commits rows to a database.
type writer struct {
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	errors strings.Builder
	acked  int // the last id acknowledged
}

func startWriter(tb testing.TB, database, synchronous string, rows int) *writer {
	tb.Helper()
	w := &writer{cmd: process(tb, "writer", database, synchronous, rows)}
	w.cmd.Stderr = &w.errors
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	w.lines = bufio.NewScanner(out)
	if err := w.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	return w
}

// await reads acknowledgements, at most n of them, and returns how many came
// before the writer ended.
func (w *writer) await(tb testing.TB, n int) int {
	tb.Helper()
	for got := range n {
		if !w.lines.Scan() {
			return got
		}
		id, err := strconv.Atoi(w.lines.Text())
		if err != nil {
			tb.Fatalf("an acknowledgement reads %q", w.lines.Text())
		}
		w.acked = id
	}
	return n
}

// untilItFails reads what the writer acknowledged before the cut, or a signal,
// ended it.
func (w *writer) untilItFails(tb testing.TB) {
	tb.Helper()
	w.await(tb, endless)
	err := w.cmd.Wait()
	if err == nil {
		tb.Fatal("the writer ended as if nothing had happened")
	}
	tb.Logf("the writer ended after row %d: %v: %s", w.acked, err, strings.TrimSpace(w.errors.String()))
}

// stored is what a database has, of rows that were numbered 1, 2, 3 and so on.
type stored struct {
	integrity         string
	rows, last, wrong int
}

func readDatabase(tb testing.TB, database, synchronous string) stored {
	tb.Helper()
	cmd := process(tb, "reader", database, synchronous, 0)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("read the database: %v", err)
	}
	var s stored
	if _, err := fmt.Sscanf(string(out), "%q %d %d %d", &s.integrity, &s.rows, &s.last, &s.wrong); err != nil {
		tb.Fatalf("the reader says %q: %v", out, err)
	}
	return s
}

// loseByCut lets a writer work, cuts the power amid it, and returns how many
// acknowledged rows are missing afterwards. Whatever is lost, the database
// must be sound and have no holes.
func loseByCut(t *testing.T, disk *Disk, database, synchronous string, r *rand.Rand) int {
	t.Helper()
	w := startWriter(t, database, synchronous, endless)
	if n := 50 + r.IntN(1500); w.await(t, n) < n {
		t.Fatalf("the writer ended before the cut: %v: %s", w.cmd.Wait(), w.errors.String())
	}
	if r.IntN(2) == 0 {
		disk.Cut()
	} else {
		disk.CutUnevenly(r)
	}
	w.untilItFails(t)
	disk.Restore()

	s := readDatabase(t, database, synchronous)
	if s.integrity != "ok" || s.wrong != 0 || s.rows != s.last {
		t.Fatalf("after the cut the database is damaged: %+v", s)
	}
	return max(0, w.acked-s.last)
}

// cuts is how often to cut the power: often in a soak (PARLEY_SOAK=1), else so
// that the run stays quick.
func cuts(soak, quick int) int {
	if os.Getenv("PARLEY_SOAK") == "1" {
		return soak
	}
	return quick
}

func TestSQLiteWithFullSyncLosesNothingAcknowledged(t *testing.T) {
	r := seeded(t)
	disk := Mount(t)
	database := filepath.Join(disk.Dir(), "messages.db")
	for cut := range cuts(20, 1) {
		if lost := loseByCut(t, disk, database, "FULL", r); lost != 0 {
			t.Fatalf("cut %d lost %d acknowledged rows", cut, lost)
		}
	}
}

// The same loop must be able to fail, or it would prove nothing.
func TestSQLiteWithNormalSyncLosesSome(t *testing.T) {
	r := seeded(t)
	disk := Mount(t)
	database := filepath.Join(disk.Dir(), "messages.db")
	done, lost := 0, 0
	for done < cuts(20, 1) || lost == 0 && done < 3 {
		lost += loseByCut(t, disk, database, "NORMAL", r)
		done++
	}
	t.Logf("%d cuts lost %d acknowledged rows", done, lost)
	if lost == 0 {
		t.Fatalf("%d cuts lost nothing", done)
	}
}

func TestSQLiteProcessesShareADatabase(t *testing.T) {
	disk := Mount(t)
	database := filepath.Join(disk.Dir(), "messages.db")
	w := startWriter(t, database, "FULL", 1000)
	if w.await(t, 100) < 100 {
		t.Fatalf("the writer ended early: %s", w.errors.String())
	}
	if s := readDatabase(t, database, "FULL"); s.integrity != "ok" || s.rows < 100 {
		t.Errorf("while rows are being written a reader sees %+v, want at least 100 rows", s)
	}
	w.await(t, 900)
	if err := w.cmd.Wait(); err != nil {
		t.Fatalf("the writer: %v: %s", err, w.errors.String())
	}
}

// What a process wrote outlives it without any sync: only the power is a danger.
func TestSQLiteProcessKilledLosesNothing(t *testing.T) {
	disk := Mount(t)
	database := filepath.Join(disk.Dir(), "messages.db")
	w := startWriter(t, database, "NORMAL", endless)
	if n := 500; w.await(t, n) < n {
		t.Fatalf("the writer ended early: %s", w.errors.String())
	}
	if err := w.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	w.untilItFails(t)
	if s := readDatabase(t, database, "NORMAL"); s.integrity != "ok" || s.rows < w.acked {
		t.Errorf("after the writer was killed at row %d the database has %+v", w.acked, s)
	}
}

// BenchmarkCommit measures what the disk sustains: one writer, one row a
// commit, each acknowledged to this process.
func BenchmarkCommit(b *testing.B) {
	for _, synchronous := range []string{"FULL", "NORMAL"} {
		b.Run(synchronous, func(b *testing.B) {
			disk := Mount(b)
			w := startWriter(b, filepath.Join(disk.Dir(), "messages.db"), synchronous, b.N)
			if n := w.await(b, b.N); n < b.N {
				b.Fatalf("the writer ended after %d rows: %s", n, w.errors.String())
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			if err := w.cmd.Wait(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
