package backup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/audit"
	"github.com/parley-chat/parley/internal/backup"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// While people talk and send files, a backup holds all that was acknowledged
// before it was begun; restored elsewhere it is sound and can be gone on with.
func TestBackupWhileOthersWrite(t *testing.T) {
	w := newWorld(t)
	type acknowledged struct {
		seq   uint64
		files []string
	}
	state := make(chan acknowledged, 1)
	state <- acknowledged{}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			seq := w.text(fmt.Sprintf("message %d", i))
			var file string
			if i%5 == 0 {
				file = w.share(fmt.Sprintf("content %d", i))
			}
			if i%7 == 0 { // one that is never used, and replaced
				id, _ := w.upload("draft")
				w.put(id, "better draft")
			}
			now := <-state
			now.seq = max(now.seq, seq)
			if file != "" {
				now.files = append(now.files, file)
			}
			state <- now
		}
	}()
	for range 4 {
		before := <-state
		before.files = slices.Clone(before.files)
		state <- before
		archive := w.backUp()
		wantClean(t, verifyArchive(t, archive))
		dir := restore(t, archive)
		wantClean(t, verifyDir(t, dir))
		for _, key := range before.files {
			if got := contentOf(t, dir, key); !strings.HasPrefix(got, "content ") {
				t.Errorf("file %s holds %q", key, got)
			}
		}
		wantEntries(t, dir, w.meeting, before.seq)
	}
	close(stop)
	<-stopped
	wantClean(t, verifyDir(t, w.dir))
}

// wantEntries demands that the journal in a directory reaches at least to an
// entry, and goes on.
func wantEntries(t *testing.T, dir string, meeting chat.MeetingID, least uint64) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	entries, err := db.Entries(t.Context(), meeting, 0, math.MaxInt32)
	if err != nil || uint64(len(entries)) < least {
		t.Errorf("there are %d entries, %v; %d had been acknowledged", len(entries), err, least)
	}
}

func TestBackupOfAStoppedServer(t *testing.T) {
	w := newWorld(t)
	w.text("one")
	key := w.share("bytes")
	w.close()
	dir := restore(t, w.backUp())
	wantClean(t, verifyDir(t, dir))
	wantEntries(t, dir, w.meeting, 2)
	if got := contentOf(t, dir, key); got != "bytes" {
		t.Errorf("the file holds %q", got)
	}
	wantClean(t, verifyDir(t, w.dir))
	w.open()
}

// A server that was killed leaves a part of its data in the log.
func TestBackupOfAKilledServer(t *testing.T) {
	w := newWorld(t)
	w.text("one")
	killed := filepath.Join(t.TempDir(), "killed")
	w.must(os.CopyFS(killed, os.DirFS(w.dir)))
	w.close()
	w.dir = killed
	wantEntries(t, restore(t, w.backUp()), w.meeting, 1)
	w.open()
}

// What "parley dev" keeps is backed up, other things are not.
func TestBackupTakesWhatDevKeeps(t *testing.T) {
	w := newWorld(t)
	w.must(os.Mkdir(filepath.Join(w.dir, "ca"), 0o700))
	for name, content := range map[string]string{"dev.json": "{}", "ca/ca.crt": "certificate", "ca/ca.pem": "key", "notes": "mine"} {
		w.must(os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600))
	}
	dir := restore(t, w.backUp())
	for name, want := range map[string]string{"dev.json": "{}", "ca/ca.crt": "certificate", "ca/ca.pem": "key"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"notes", "restoring", "SHA256SUMS"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("there is %s", name)
		}
	}
}

// A file is collected, or replaced, between the cut and its packing: the backup
// says so and is sound.
func TestBackupWhileFilesGo(t *testing.T) {
	w := newWorld(t)
	_, dropped := w.upload("never sent")
	replacedID, replaced := w.upload("first try")
	kept := w.share("sent")
	to := filepath.Join(t.TempDir(), "backup.tar")
	once := false
	_, report, err := backup.Create(t.Context(), backup.Source{Dir: w.dir, To: to, Progress: func(step string, done, all int64) {
		if once || done < all { // the copy of the database is complete
			return
		}
		once = true
		w.put(replacedID, "second try")
		n, err := w.db.DropUploads(t.Context(), time.Now().Add(48*time.Hour), time.Now(), 1)
		if err != nil || n != 1 {
			t.Errorf("dropped %d, %v", n, err)
		}
		w.must(w.blobs.Delete(t.Context(), dropped))
	}})
	w.must(err)
	wantClean(t, report)
	wantClean(t, verifyArchive(t, to))
	dir := restore(t, to)
	wantClean(t, verifyDir(t, dir))
	if got := contentOf(t, dir, kept); got != "sent" {
		t.Errorf("the file that was sent holds %q", got)
	}
	for _, key := range []string{dropped, replaced} {
		if found, _ := filepath.Glob(filepath.Join(dir, "blobs", "objects", "*", "*", key)); len(found) > 0 {
			t.Errorf("there is %q", found)
		}
	}
}

func TestBackupThroughAPipe(t *testing.T) {
	w := newWorld(t)
	w.text("one")
	w.share("bytes")
	reader, writer := io.Pipe()
	created := make(chan error, 1)
	go func() {
		_, _, err := backup.Create(t.Context(), backup.Source{Dir: w.dir, Out: writer, Scratch: t.TempDir()})
		created <- errors.Join(err, writer.CloseWithError(err))
	}()
	dir := filepath.Join(t.TempDir(), "restored")
	_, err := backup.Restore(t.Context(), backup.Target{From: reader, Dir: dir})
	w.must(errors.Join(err, <-created))
	wantClean(t, verifyDir(t, dir))
	wantEntries(t, dir, w.meeting, 2)
}

// The tools of the system can read a backup.
func TestBackupForOtherTools(t *testing.T) {
	w := newWorld(t)
	w.share("bytes")
	archive, dir := w.backUp(), t.TempDir()
	for _, command := range [][]string{{"tar", "xf", archive}, {"sha256sum", "--check", "--strict", "SHA256SUMS"}} {
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Dir = dir
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%q: %v\n%s", command, err, output)
		}
	}
}

// Nothing is left of a backup that does not come about.
func TestFailedBackupLeavesNothing(t *testing.T) {
	w := newWorld(t)
	for i := range 50 {
		w.share(strings.Repeat("bytes", 1000+i))
	}
	into := t.TempDir()
	to := filepath.Join(into, "backup.tar")
	wantNothing := func(what string) {
		t.Helper()
		if left, err := os.ReadDir(into); err != nil || len(left) > 0 {
			t.Errorf("%s: %v is left, %v", what, left, err)
		}
	}
	stopped := errors.New("stopped")
	for _, at := range []string{"copying", "packing files", "packing the database"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		_, _, err := backup.Create(ctx, backup.Source{Dir: w.dir, To: to, Progress: func(step string, _, _ int64) {
			if strings.HasPrefix(step, at) {
				cancel(stopped)
			}
		}})
		if !errors.Is(err, stopped) && !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted while %s: %v", at, err)
		}
		wantNothing(at)
		cancel(nil)
	}
	if _, _, err := backup.Create(t.Context(), backup.Source{Dir: t.TempDir(), To: to}); !errors.Is(err, sqlite.ErrNoData) {
		t.Errorf("of no data directory: %v", err)
	}
	wantNothing("no data directory")
	if _, _, err := backup.Create(t.Context(), backup.Source{Dir: w.dir, To: filepath.Join(into, "no", "such", "folder")}); err == nil {
		t.Error("into no folder: no error")
	}
	w.must(os.WriteFile(to, []byte("precious"), 0o600))
	if _, _, err := backup.Create(t.Context(), backup.Source{Dir: w.dir, To: to}); !errors.Is(err, backup.ErrExists) {
		t.Errorf("onto a file: %v", err)
	}
	if got, err := os.ReadFile(to); err != nil || string(got) != "precious" {
		t.Errorf("the file that was there holds %q, %v", got, err)
	}
}

// A target that fails halfway ends the backup with its error.
func TestBackupToAFailingPipe(t *testing.T) {
	w := newWorld(t)
	w.share(strings.Repeat("bytes", 100_000))
	broken := errors.New("broken pipe")
	if _, _, err := backup.Create(t.Context(), backup.Source{Dir: w.dir, Out: &failing{left: 100_000, err: broken}}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type failing struct {
	left int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, f.err
	}
	return len(p), nil
}

// Damage does not keep a backup from being made, and is told.
func TestBackupOfDamagedData(t *testing.T) {
	w := newWorld(t)
	w.text("one")
	lost, changed := w.share("lost"), w.share("changed")
	w.must(os.Remove(w.blobPath(lost)))
	w.must(os.WriteFile(w.blobPath(changed), []byte("CHANGED"), 0o600))
	to := filepath.Join(t.TempDir(), "backup.tar")
	_, report, err := backup.Create(t.Context(), backup.Source{Dir: w.dir, To: to})
	w.must(err)
	for _, r := range []*backup.Report{report, verifyArchive(t, to), verifyDir(t, w.dir), verifyDir(t, restore(t, to))} {
		wantNames(t, r, sqlite.DamagedBlob, "missing (file "+lost)
		wantNames(t, r, sqlite.DamagedBlob, "not those that were stored (file "+changed)
		if r.Pieces() != 2 {
			t.Errorf("the damage is %+v", r.Damage)
		}
	}
}

// What nothing points to is listed and is no damage; what is on its way is not
// listed.
func TestOrphansAreListed(t *testing.T) {
	w := newWorld(t)
	w.share("sent")
	w.must(w.db.BeginPut(t.Context(), func() chat.UploadID { id, _ := w.upload("x"); return id }(), "on-its-way", time.Now().Add(time.Hour)))
	for _, key := range []string{"on-its-way", "left-over"} {
		_, err := w.blobs.Put(t.Context(), key, strings.NewReader("bytes"), 100)
		w.must(err)
	}
	w.must(os.WriteFile(filepath.Join(w.dir, "blobs", "objects", "README"), []byte("?"), 0o600))
	r := verifyDir(t, w.dir)
	slices.Sort(r.Orphans)
	if !r.Clean() || !slices.Equal(r.Orphans, []string{"README", "left-over"}) {
		t.Errorf("the damage is %+v, the orphans are %q", r.Damage, r.Orphans)
	}
	wantClean(t, verifyArchive(t, w.backUp()))
}

// Any byte of a backup that is not what it was is found, by verify and by
// restore, and so is a backup that was cut off.
func TestDamagedBackupIsNotRestored(t *testing.T) {
	w := newWorld(t)
	w.text("a message to look for")
	w.share("bytes to look for")
	whole, err := os.ReadFile(w.backUp())
	w.must(err)
	flip := func(text string) []byte {
		at := bytes.LastIndex(whole, []byte(text))
		if at < 0 {
			t.Fatalf("the backup has no %q", text)
		}
		changed := bytes.Clone(whole)
		changed[at] ^= 1
		return changed
	}
	for name, content := range map[string][]byte{
		"a message":    flip("a message to look for"),
		"a file":       flip("bytes to look for"),
		"the digests":  flip("  parley.db\n"),
		"the manifest": flip(`"sha256sums": "`),
		"cut in half":  whole[:len(whole)/2],
		"cut at 512":   whole[:len(whole)/1024*512],
		"no manifest":  whole[:bytes.LastIndex(whole, []byte("manifest.json"))/512*512],
		"empty":        nil,
		"something":    bytes.Repeat([]byte("something else "), 1000),
		"a hole":       repack(t, whole, func(h *tar.Header) bool { return h.Name != "parley.db" }),
		"more":         repack(t, whole, func(h *tar.Header) bool { return true }, "blobs/another"),
		"a way out":    repack(t, whole, func(h *tar.Header) bool { return true }, "../outside"),
		"an own way":   repack(t, whole, func(h *tar.Header) bool { return true }, "ca/../../outside"),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "backup.tar")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			wantNames(t, verifyArchive(t, path), backup.DamagedArchive, "not a whole backup")
			dir := filepath.Join(t.TempDir(), "restored")
			if _, err := restoreInto(t, path, dir, false); !errors.Is(err, backup.ErrNotArchive) {
				t.Errorf("restoring gave %v", err)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("a directory is left")
			}
		})
	}
}

// repack writes an archive anew with some of its parts, and others at the front.
func repack(t *testing.T, archive []byte, keep func(*tar.Header) bool, more ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	from, to := tar.NewReader(bytes.NewReader(archive)), tar.NewWriter(&out)
	for _, name := range more {
		if err := to.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
	}
	for {
		header, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !keep(header) {
			continue
		}
		if err := to.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(to, from); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A backup of a later format, or with data of a later version, is refused.
func TestBackupOfALaterVersionIsRefused(t *testing.T) {
	w := newWorld(t)
	archive := w.backUp()
	whole, err := os.ReadFile(archive)
	w.must(err)
	w.must(os.WriteFile(archive, bytes.Replace(whole, []byte(`"format": 1`), []byte(`"format": 2`), 1), 0o600))
	dir := filepath.Join(t.TempDir(), "restored")
	if _, err := restoreInto(t, archive, dir, false); err == nil || !strings.Contains(err.Error(), "use a newer one") {
		t.Errorf("restoring gave %v", err)
	}
}

// A restore goes into nothing but an empty directory, and leaves any other as it
// was.
func TestRestoreKeepsWhatIsThere(t *testing.T) {
	w := newWorld(t)
	archive := w.backUp()
	before := w.text("still here")
	if _, err := restoreInto(t, archive, w.dir, false); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("over a data directory: %v", err)
	}
	if again := w.text("and going on"); again != before+1 {
		t.Errorf("the next entry is %d", again)
	}
	empty := t.TempDir()
	w.must(os.Mkdir(filepath.Join(empty, "lost+found"), 0o700))
	if _, err := restoreInto(t, archive, empty, false); err != nil {
		t.Errorf("into the top of a file system: %v", err)
	}
	wantClean(t, verifyDir(t, empty))
	taken := t.TempDir()
	lock, err := sqlite.Lock(taken)
	w.must(err)
	defer lock.Close()
	if _, err := restoreInto(t, archive, taken, false); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("into a directory that a process holds: %v", err)
	}
}

// An interrupted restore leaves the directory as it was, to be tried again.
func TestInterruptedRestoreLeavesNothing(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.share("bytes")
	}
	archive := w.backUp()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	f, err := os.Open(archive)
	w.must(err)
	defer f.Close()
	_, err = backup.Restore(ctx, backup.Target{From: f, Dir: dir, Progress: func(string, int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	_, err = restoreInto(t, archive, dir, false)
	w.must(err)
	wantClean(t, verifyDir(t, dir))
}

// Numbers begin anew after a restore, and nobody may take them for the old ones.
func TestRestoreRenewsTheEpoch(t *testing.T) {
	w := newWorld(t)
	w.text("one")
	archive := w.backUp()
	epochs := map[string]bool{epochOf(t, w.db, w.meeting): true}
	for range 2 {
		db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: restore(t, archive)})
		w.must(err)
		epochs[epochOf(t, db, w.meeting)] = true
		w.must(db.Close())
	}
	if len(epochs) != 3 {
		t.Errorf("the original and two restored ones have the epochs %v", epochs)
	}
}

// The log of what was restored goes on with how it came to be; making a backup
// writes nothing.
func TestARestoreIsInTheAuditLog(t *testing.T) {
	w := newWorld(t)
	w.must(w.db.Record(t.Context(), audit.Act{By: audit.Operator, Action: "before"}))
	archive := w.backUp()
	log := func(db *sqlite.DB) (actions []string, newest audit.Row) {
		rows, _, err := db.AuditLog(t.Context(), audit.List{})
		w.must(err)
		for _, r := range rows {
			actions = append(actions, r.Action)
		}
		return actions, rows[0]
	}
	before, _ := log(w.db)
	if before[0] != "before" {
		t.Errorf("the log of what was backed up is %v", before)
	}
	dir, now := filepath.Join(t.TempDir(), "restored"), time.UnixMilli(1_900_000_000_000).UTC()
	f, err := os.Open(archive)
	w.must(err)
	defer f.Close()
	m, err := backup.Restore(t.Context(), backup.Target{From: f, Dir: dir, Now: func() time.Time { return now }})
	w.must(err)
	wantClean(t, verifyDir(t, dir))
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	w.must(err)
	after, restored := log(db)
	w.must(db.Close())
	if !slices.Equal(after, append([]string{"restore"}, before...)) || !restored.At.Equal(now) || restored.Route != "parley restore" ||
		restored.ObjectKind != "backup" || restored.Object != m.CreatedAt.Format(time.RFC3339) {
		t.Errorf("the log of what was restored is %v, and ends in %+v", after, restored)
	}
}

func epochOf(t *testing.T, db *sqlite.DB, meeting chat.MeetingID) string {
	t.Helper()
	head, err := db.Position(t.Context(), meeting)
	if err != nil || head.Epoch == "" {
		t.Fatalf("the epoch is %q, %v", head.Epoch, err)
	}
	return head.Epoch
}

func TestRestoreKeepsKeysUnlessToldOtherwise(t *testing.T) {
	w := newWorld(t)
	key, err := w.db.Key(t.Context(), "participant-tokens")
	w.must(err)
	archive := w.backUp()
	for _, newKeys := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "restored")
		_, err := restoreInto(t, archive, dir, newKeys)
		w.must(err)
		db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
		w.must(err)
		again, err := db.Key(t.Context(), "participant-tokens")
		w.must(errors.Join(err, db.Close()))
		if bytes.Equal(key, again) == newKeys {
			t.Errorf("with new keys wanted %v the key is the same %v", newKeys, bytes.Equal(key, again))
		}
	}
}

// What cannot be checked is not called sound.
func TestWhatCannotBeCheckedIsAnError(t *testing.T) {
	if _, err := backup.VerifyDir(t.Context(), t.TempDir(), false, nil); !errors.Is(err, sqlite.ErrNoData) {
		t.Errorf("an empty directory: %v", err)
	}
	w := newWorld(t)
	w.close()
	scrambled := bytes.Repeat([]byte("no database "), 1000)
	w.must(os.WriteFile(filepath.Join(w.dir, "parley.db"), scrambled, 0o600))
	report := verifyDir(t, w.dir)
	wantNames(t, report, sqlite.DamagedPages, "cannot be opened")
	w.db = nil
	if _, err := sqlite.Open(t.Context(), sqlite.Config{Dir: w.dir}); !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("opening it gave %v", err)
	}
}
