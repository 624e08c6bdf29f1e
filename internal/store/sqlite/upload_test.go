package sqlite_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/internal/store/sqlite"
	"github.com/parley-chat/parley/internal/upload"
)

// uploading is a store with a meeting and one participant who may upload.
type uploading struct {
	*sqlite.DB
	t       *testing.T
	dir     string
	meeting chat.MeetingID
	owner   chat.ParticipantID
}

var uploadEpoch = time.UnixMilli(1_900_000_000_000)

func newUploading(t *testing.T) *uploading {
	u := &uploading{t: t, dir: t.TempDir()}
	u.open()
	t.Cleanup(func() {
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	})
	people := directory.New(u.DB, time.Now)
	app, err := people.CreateApp(t.Context(), "account", "app")
	if err != nil {
		t.Fatal(err)
	}
	meeting, err := people.CreateMeeting(t.Context(), app.ID, directory.NewMeeting{})
	if err != nil {
		t.Fatal(err)
	}
	owner, err := people.AddParticipant(t.Context(), app.ID, meeting.ID, directory.NewParticipant{CustomID: "x", PresetName: "group_call_host"})
	if err != nil {
		t.Fatal(err)
	}
	u.meeting, u.owner = meeting.ID, owner.ID
	return u
}

func (u *uploading) open() {
	var err error
	if u.DB, err = sqlite.Open(u.t.Context(), sqlite.Config{Dir: u.dir}); err != nil {
		u.t.Fatal(err)
	}
}

// create stores an upload that expires some minutes after the epoch.
func (u *uploading) create(id chat.UploadID, minutes int) upload.Upload {
	u.t.Helper()
	up := upload.Upload{
		ID: id, Meeting: u.meeting, Owner: u.owner, Name: "n \u2028.txt", MaxSize: 1 << 40,
		CreatedAt: uploadEpoch, ExpiresAt: uploadEpoch.Add(time.Duration(minutes) * time.Minute),
	}
	if err := u.CreateUpload(u.t.Context(), up, 1000); err != nil {
		u.t.Fatal(err)
	}
	return up
}

// put stores bytes under a key, and gives the key replaced.
func (u *uploading) put(id chat.UploadID, key string) string {
	u.t.Helper()
	if err := u.BeginPut(u.t.Context(), id, key, uploadEpoch.Add(time.Hour)); err != nil {
		u.t.Fatal(err)
	}
	replaced, err := u.CompletePut(u.t.Context(), id, upload.Bytes{Key: key, Size: 7, SHA256: [32]byte{1, 31: 2}, MediaType: "image/png"}, uploadEpoch)
	if err != nil {
		u.t.Fatal(err)
	}
	return replaced
}

// attach sends a message that refers to an upload.
func (u *uploading) attach(id chat.UploadID) {
	u.t.Helper()
	arrival := session.Arrival{Meeting: u.meeting, Peer: "p", Participant: u.owner}
	if _, err := u.Enter(u.t.Context(), arrival, "session", time.Now()); err != nil {
		u.t.Fatal(err)
	}
	j := journal.New(u.DB, time.Now, journal.Limits{}, func([]journal.Entry) {}, slog.New(slog.DiscardHandler))
	if _, err := j.Append(u.t.Context(), chat.SendMessage{
		Actor: chat.Actor{Meeting: u.meeting, Participant: u.owner, Peer: "p"}, ID: "message",
		Content: chat.Content{Kind: chat.File, Payload: "{}", Uploads: []chat.UploadID{id}},
	}); err != nil {
		u.t.Fatal(err)
	}
}

func (u *uploading) loose(at time.Time) []string {
	u.t.Helper()
	keys, err := u.LooseBlobs(u.t.Context(), at, 1000)
	if err != nil {
		u.t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

func TestUploadsAreKeptAsStored(t *testing.T) {
	u := newUploading(t)
	want := u.create("a", 10)
	check := func(when string) {
		t.Helper()
		got, err := u.FindUpload(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		same := got.ID == want.ID && got.Meeting == want.Meeting && got.Owner == want.Owner && got.Name == want.Name &&
			got.MaxSize == want.MaxSize && got.ExpiresAt.Equal(want.ExpiresAt) && got.CreatedAt.Equal(want.CreatedAt) &&
			got.Attached == want.Attached && (got.Bytes == nil) == (want.Bytes == nil) && (got.Bytes == nil || *got.Bytes == *want.Bytes)
		if !same {
			t.Errorf("%s: found %+v, want %+v", when, got, want)
		}
	}
	check("without bytes")
	u.put("a", "key")
	want.Bytes = &upload.Bytes{Key: "key", Size: 7, SHA256: [32]byte{1, 31: 2}, MediaType: "image/png"}
	check("complete")
	u.attach("a")
	want.Attached = true
	check("attached")
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	u.open()
	check("after a restart")
}

func TestUploadsNeedAParticipantOfTheMeeting(t *testing.T) {
	u := newUploading(t)
	for name, up := range map[string]upload.Upload{
		"no meeting":     {ID: "a", Meeting: "none", Owner: u.owner},
		"no participant": {ID: "a", Meeting: u.meeting, Owner: "nobody"},
	} {
		if err := u.CreateUpload(t.Context(), up, 10); !errors.Is(err, upload.ErrNotFound) {
			t.Errorf("%s gives %v", name, err)
		}
	}
	if _, err := u.FindUpload(t.Context(), "a"); !errors.Is(err, upload.ErrNotFound) {
		t.Errorf("finding what was refused gives %v", err)
	}
}

func TestAttachedUploadsDoNotCountAsUnused(t *testing.T) {
	u := newUploading(t)
	u.create("a", 10)
	u.create("b", 10)
	u.put("a", "key")
	next := upload.Upload{ID: "c", Meeting: u.meeting, Owner: u.owner}
	if err := u.CreateUpload(t.Context(), next, 2); !errors.Is(err, upload.ErrTooMany) {
		t.Errorf("a third upload where two are allowed gives %v", err)
	}
	u.attach("a")
	if err := u.CreateUpload(t.Context(), next, 2); err != nil {
		t.Errorf("a second unused upload gives %v", err)
	}
}

func TestBytesAreLooseUntilAnUploadPointsToThem(t *testing.T) {
	u := newUploading(t)
	u.create("a", 10)
	due := uploadEpoch.Add(time.Hour)
	if err := u.BeginPut(t.Context(), "a", "first", due); err != nil {
		t.Fatal(err)
	}
	if got := u.loose(due.Add(-time.Millisecond)); len(got) != 0 {
		t.Errorf("before it is due %q may be deleted", got)
	}
	if got := u.loose(due); !slices.Equal(got, []string{"first"}) {
		t.Errorf("when it is due %q may be deleted", got)
	}
	if replaced, err := u.CompletePut(t.Context(), "a", upload.Bytes{Key: "first"}, uploadEpoch); err != nil || replaced != "" {
		t.Fatalf("completing gives %q, %v", replaced, err)
	}
	if got := u.loose(due); len(got) != 0 {
		t.Errorf("what an upload points to may be deleted: %q", got)
	}
	if replaced := u.put("a", "second"); replaced != "first" {
		t.Errorf("the second replaces %q", replaced)
	}
	if got := u.loose(uploadEpoch); !slices.Equal(got, []string{"first"}) {
		t.Errorf("after it was replaced %q may be deleted", got)
	}
	if err := u.ForgetBlobs(t.Context(), []string{"first", "unheard-of"}); err != nil {
		t.Fatal(err)
	}
	if got := u.loose(due); len(got) != 0 {
		t.Errorf("after it was forgotten %q is listed", got)
	}
}

func TestBytesThatCannotBeTaken(t *testing.T) {
	u := newUploading(t)
	u.create("a", 10)
	due := uploadEpoch.Add(time.Hour)
	begin := func(id chat.UploadID, key string) error { return u.BeginPut(t.Context(), id, key, due) }
	complete := func(id chat.UploadID, key string) error {
		_, err := u.CompletePut(t.Context(), id, upload.Bytes{Key: key}, uploadEpoch)
		return err
	}
	if err := begin("none", "k"); !errors.Is(err, upload.ErrNotFound) {
		t.Errorf("beginning an unknown upload gives %v", err)
	}
	if err := complete("none", "k"); !errors.Is(err, upload.ErrNotFound) {
		t.Errorf("completing an unknown upload gives %v", err)
	}
	if err := complete("a", "collected"); !errors.Is(err, upload.ErrCollected) {
		t.Errorf("completing with bytes that were collected gives %v", err)
	}
	u.put("a", "kept")
	if err := begin("a", "late"); err != nil {
		t.Fatal(err)
	}
	u.attach("a")
	if err := complete("a", "late"); !errors.Is(err, upload.ErrAttached) {
		t.Errorf("completing an attached upload gives %v", err)
	}
	if err := begin("a", "later"); !errors.Is(err, upload.ErrAttached) {
		t.Errorf("beginning an attached upload gives %v", err)
	}
	if got := u.loose(due); !slices.Equal(got, []string{"late"}) {
		t.Errorf("to be deleted: %q, want what came late", got)
	}
	if got, err := u.FindUpload(t.Context(), "a"); err != nil || got.Bytes == nil || got.Bytes.Key != "kept" {
		t.Errorf("the upload became %+v, %v", got, err)
	}
}

func TestExpiredUploadsAreDroppedInBatches(t *testing.T) {
	u := newUploading(t)
	for i := range 5 {
		id := chat.UploadID(fmt.Sprintf("u%d", i))
		u.create(id, i)
		if i != 1 {
			u.put(id, "key-"+string(id))
		}
	}
	u.attach("u0")
	drop := func(minutes, limit, want int) {
		t.Helper()
		n, err := u.DropUploads(t.Context(), uploadEpoch.Add(time.Duration(minutes)*time.Minute), uploadEpoch, limit)
		if err != nil || n != want {
			t.Fatalf("%d are dropped, %v, want %d", n, err, want)
		}
	}
	drop(1, 10, 0)
	drop(4, 2, 2)
	if got := u.loose(uploadEpoch); !slices.Equal(got, []string{"key-u2"}) {
		t.Errorf("to be deleted: %q, want what the two had", got)
	}
	drop(4, 2, 1)
	drop(4, 2, 0)
	if got := u.loose(uploadEpoch); !slices.Equal(got, []string{"key-u2", "key-u3"}) {
		t.Errorf("to be deleted: %q", got)
	}
	for id, there := range map[chat.UploadID]bool{"u0": true, "u1": false, "u2": false, "u3": false, "u4": true} {
		if _, err := u.FindUpload(t.Context(), id); (err == nil) != there {
			t.Errorf("upload %s: %v", id, err)
		}
	}
}
