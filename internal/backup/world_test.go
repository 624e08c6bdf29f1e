package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/backup"
	"github.com/parley-chat/parley/internal/blob"
	"github.com/parley-chat/parley/internal/blob/disk"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/internal/store/sqlite"
	"github.com/parley-chat/parley/internal/upload"
)

// world is a data directory in use: a meeting of two people, who talk and send
// files. Tests back it up beside the open store, as another process would.
type world struct {
	*testing.T
	dir     string
	db      *sqlite.DB
	blobs   *disk.Store
	journal *journal.Journal
	app     chat.AppID
	meeting chat.MeetingID
	ann     chat.Actor
	bob     chat.Actor
	ids     atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, dir: filepath.Join(t.TempDir(), "data")}
	w.open()
	t.Cleanup(w.close)
	people := directory.New(w.db, time.Now)
	app, err := people.CreateApp(t.Context(), "account", "app")
	w.must(err)
	meeting, err := people.CreateMeeting(t.Context(), app.ID, directory.NewMeeting{PersistChat: true})
	w.must(err)
	w.app, w.meeting = app.ID, meeting.ID
	w.ann, w.bob = w.enter(people, "Ann"), w.enter(people, "Bob")
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) open() {
	w.Helper()
	var err error
	w.db, err = sqlite.Open(context.Background(), sqlite.Config{Dir: w.dir})
	w.must(err)
	w.blobs, err = disk.Open(filepath.Join(w.dir, "blobs"))
	w.must(err)
	w.journal = journal.New(w.db, time.Now, journal.Limits{Rate: -1}, func([]journal.Entry) {}, slog.New(slog.DiscardHandler))
}

func (w *world) close() {
	if w.db == nil {
		return
	}
	if err := w.db.Close(); err != nil {
		w.Error(err)
	}
	w.db = nil
}

func (w *world) enter(people *directory.Service, name string) chat.Actor {
	w.Helper()
	p, err := people.AddParticipant(w.Context(), w.app, w.meeting, directory.NewParticipant{
		CustomID: name, Name: name, PresetName: "group_call_host",
	})
	w.must(err)
	a := chat.Actor{Meeting: w.meeting, Participant: p.ID, Peer: chat.PeerID("peer of " + name), DisplayName: name}
	_, err = w.db.Enter(w.Context(), session.Arrival{
		Meeting: w.meeting, Peer: a.Peer, Participant: a.Participant, DisplayName: name,
	}, chat.SessionID(w.id("session")), time.Now())
	w.must(err)
	return a
}

func (w *world) id(what string) string { return fmt.Sprintf("%s-%d", what, w.ids.Add(1)) }

// say sends a message and gives its number when it is acknowledged.
func (w *world) say(content chat.Content) uint64 {
	w.Helper()
	e, err := w.journal.Append(context.WithoutCancel(w.Context()), chat.SendMessage{
		Actor: w.ann, ID: chat.MessageID(w.id("message")), Content: content,
	})
	if err != nil {
		w.Error(err)
	}
	return e.Seq
}

func (w *world) text(text string) uint64 {
	w.Helper()
	return w.say(chat.Content{Kind: chat.Text, Payload: text})
}

// upload puts a file that no message refers to yet.
func (w *world) upload(content string) (chat.UploadID, string) {
	w.Helper()
	ctx := context.WithoutCancel(w.Context())
	id := chat.UploadID(w.id("upload"))
	w.must(w.db.CreateUpload(ctx, upload.Upload{
		ID: id, Meeting: w.meeting, Owner: w.ann.Participant, Name: "file", MaxSize: 1 << 20,
		ExpiresAt: time.Now().Add(time.Hour), CreatedAt: time.Now(),
	}, math.MaxInt))
	return id, w.put(id, content)
}

// put stores the bytes of an upload, in place of those it may have.
func (w *world) put(id chat.UploadID, content string) string {
	w.Helper()
	ctx := context.WithoutCancel(w.Context())
	key := w.id(string(id))
	w.must(w.db.BeginPut(ctx, id, key, time.Now().Add(time.Hour)))
	info, err := w.blobs.Put(ctx, key, bytes.NewReader([]byte(content)), math.MaxInt64)
	w.must(err)
	replaced, err := w.db.CompletePut(ctx, id, upload.Bytes{Key: key, Size: info.Size, SHA256: info.SHA256, MediaType: "image/png"}, time.Now())
	w.must(err)
	if replaced != "" {
		w.must(w.blobs.Delete(ctx, replaced))
		w.must(w.db.ForgetBlobs(ctx, []string{replaced}))
	}
	return key
}

// share uploads an image and sends it.
func (w *world) share(content string) string {
	w.Helper()
	id, key := w.upload(content)
	w.say(chat.Content{Kind: chat.Image, Payload: "upload:" + string(id), Uploads: []chat.UploadID{id}})
	return key
}

// blobPath is where the bytes of a key lie.
func (w *world) blobPath(key string) string {
	w.Helper()
	found, err := filepath.Glob(filepath.Join(w.dir, "blobs", "objects", "*", "*", key))
	if err != nil || len(found) != 1 {
		w.Fatalf("the file %s is at %q, %v", key, found, err)
	}
	return found[0]
}

// backUp makes a backup and gives its path.
func (w *world) backUp() string {
	w.Helper()
	to := filepath.Join(w.TempDir(), "backup.tar")
	m, report, err := backup.Create(w.Context(), backup.Source{Dir: w.dir, To: to, Version: "test"})
	w.must(err)
	for _, d := range report.Damage {
		w.Errorf("sound data is called damaged: %+v", d)
	}
	if m.Parley != "test" || m.Format != backup.Format || m.CreatedAt.IsZero() {
		w.Errorf("the manifest is %+v", m)
	}
	return to
}

// restore restores a backup into a new directory.
func restore(t *testing.T, from string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	if _, err := restoreInto(t, from, dir, false); err != nil {
		t.Fatal(err)
	}
	return dir
}

func restoreInto(t *testing.T, from, dir string, newKeys bool) (backup.Manifest, error) {
	t.Helper()
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return backup.Restore(t.Context(), backup.Target{From: f, Dir: dir, NewKeys: newKeys})
}

func verifyArchive(t *testing.T, path string) *backup.Report {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, report, err := backup.VerifyArchive(t.Context(), f, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func verifyDir(t *testing.T, dir string) *backup.Report {
	t.Helper()
	report, err := backup.VerifyDir(t.Context(), dir, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// wantClean demands that nothing is damaged and nothing left over.
func wantClean(t *testing.T, r *backup.Report) {
	t.Helper()
	for _, d := range r.Damage {
		t.Errorf("sound data is called damaged: %+v", d)
	}
	for _, name := range r.Orphans {
		t.Errorf("nothing points to %s", name)
	}
}

// wantNames demands that damage of this code is named with these words.
func wantNames(t *testing.T, r *backup.Report, code, words string) {
	t.Helper()
	for _, d := range r.Damage {
		if d.Code == code && strings.Contains(d.Detail, words) {
			return
		}
	}
	t.Errorf("no damage %q that says %q among %+v", code, words, r.Damage)
}

func contentOf(t *testing.T, dir, key string) string {
	t.Helper()
	object, err := disk.Look(filepath.Join(dir, "blobs")).Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	return readAll(t, object)
}

func readAll(t *testing.T, object *blob.Object) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(object); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
