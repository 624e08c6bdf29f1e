package upload_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/blob"
	"github.com/parley-chat/parley/internal/blob/disk"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/store/sqlite"
	"github.com/parley-chat/parley/internal/upload"
)

// run lets the collector work until the test ends.
func (p *place) run() {
	ctx, stop := context.WithCancel(context.WithoutCancel(p.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	p.t.Cleanup(func() {
		stop()
		<-done
	})
}

func TestUnusedUploadsAreCollectedAndOthersStay(t *testing.T) {
	p := open(t, nil)
	used, unused, empty := p.uploaded("used", "used"), p.uploaded("unused", "unused"), p.new("empty")
	usedID, unusedID, emptyID := p.idOf(used), p.idOf(unused), p.idOf(empty)
	if err := p.attach(usedID); err != nil {
		t.Fatal(err)
	}
	p.clock.advance(upload.PutFor + upload.AttachFor/2)
	late := p.uploaded("late", "late")
	p.clock.advance(upload.AttachFor/2 + time.Minute)
	p.run()
	eventually(t, "the collection", func() bool { return len(p.objects()) == 2 })
	for id, there := range map[chat.UploadID]bool{usedID: true, p.idOf(late): true, unusedID: false, emptyID: false} {
		if _, err := p.store.FindUpload(t.Context(), id); (err == nil) != there || (err != nil && !errors.Is(err, upload.ErrNotFound)) {
			t.Errorf("upload %s: %v, want it there: %t", id, err, there)
		}
	}
	wantStatus(t, p.get(unused.Get), 404)
	if r := p.get(used.Get); r.body != "used" {
		t.Errorf("the file of a message is read as %q", r.body)
	}
	if err := p.attach(unusedID); chat.CodeOf(err) != chat.Invalid {
		t.Errorf("attaching a collected upload gives %v", err)
	}
}

// brittle is a disk that cannot delete, as after a crash between two steps.
type brittle struct{ blob.Store }

func (brittle) Delete(context.Context, string) error { return errors.New("the disk has gone away") }

func TestBytesLeftByACrashAreCollected(t *testing.T) {
	var onDisk blob.Store
	p := open(t, func(s blob.Store) blob.Store {
		onDisk = s
		return brittle{s}
	})
	l := p.uploaded("a", "first")
	wantStatus(t, p.put(l, "second"), 200) // leaves the first
	wantStatus(t, p.put(l, strings.Repeat("x", maxSize+1)), 413)
	due := p.clock.Now().Add(24 * time.Hour)
	// A PUT that was being written when the process died.
	if err := p.store.BeginPut(t.Context(), p.idOf(l), "left-over", due.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := onDisk.Put(t.Context(), "left-over", strings.NewReader("half"), 100); err != nil {
		t.Fatal(err)
	}
	if files := p.objects(); len(files) != 3 {
		t.Fatalf("this test is about files that lie around, not %q", files)
	}

	again, err := upload.New(upload.Config{
		Store: p.store, Blobs: onDisk, Tokens: p.tokens, Directory: p.directory,
		Key: []byte("a key of the tests, long enough"), BaseURL: p.url, Now: p.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.clock.advance(24 * time.Hour)
	p.Service = again
	if err := p.attach(p.idOf(l)); err != nil {
		t.Fatal(err)
	}
	p.run()
	eventually(t, "the collection", func() bool { return len(p.objects()) == 1 })
	eventually(t, "the end of the list", func() bool {
		loose, err := p.store.LooseBlobs(t.Context(), due, 10)
		return err == nil && len(loose) == 0
	})
	if r := p.get(l.Get); r.body != "second" {
		t.Errorf("%q is read", r.body)
	}
}

func TestTheCollectorLooksEveryFewMinutes(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		blobs, err := disk.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		s, err := upload.New(upload.Config{
			Store: store, Blobs: blobs, Tokens: nothing{}, Directory: nothing{}, Key: make([]byte, 32), BaseURL: "http://x",
		})
		if err != nil {
			t.Fatal(err)
		}
		people := directory.New(store, time.Now)
		app, err := people.CreateApp(t.Context(), "account", "app")
		if err != nil {
			t.Fatal(err)
		}
		meeting, err := people.CreateMeeting(t.Context(), app.ID, directory.NewMeeting{})
		if err != nil {
			t.Fatal(err)
		}
		who, err := people.AddParticipant(t.Context(), app.ID, meeting.ID, directory.NewParticipant{CustomID: "x", PresetName: "group_call_host"})
		if err != nil {
			t.Fatal(err)
		}
		u := upload.Upload{ID: "u", Meeting: meeting.ID, Owner: who.ID, Name: "n", MaxSize: 1, ExpiresAt: time.Now(), CreatedAt: time.Now()}
		if err := store.CreateUpload(t.Context(), u, 1); err != nil {
			t.Fatal(err)
		}

		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Run(ctx)
		}()
		<-time.After(upload.AttachFor - time.Second)
		if _, err := store.FindUpload(t.Context(), "u"); err != nil {
			t.Errorf("before its time the upload is gone: %v", err)
		}
		<-time.After(10 * time.Minute)
		synctest.Wait()
		if _, err := store.FindUpload(t.Context(), "u"); !errors.Is(err, upload.ErrNotFound) {
			t.Errorf("after its time the upload is there: %v", err)
		}
		stop()
		<-done
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAPutSlowerThanTheCollectorIsTold(t *testing.T) {
	p := open(t, nil)
	l := p.new("a")
	slow, status := p.slowPut(l)
	if _, err := slow.Write([]byte("slow")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the PUT", func() bool { return len(p.objects()) == 1 })
	p.clock.advance(2*upload.PutTimeout + time.Minute)
	p.run()
	eventually(t, "the collection", func() bool {
		loose, err := p.store.LooseBlobs(t.Context(), p.clock.Now(), 10)
		return err == nil && len(loose) == 0
	})
	_ = slow.Close()
	if got := <-status; got != 408 {
		t.Errorf("the PUT gives %d", got)
	}
	if files := p.objects(); len(files) != 0 {
		t.Errorf("its bytes lie around: %q", files)
	}
	if _, err := p.store.FindUpload(t.Context(), p.idOf(l)); err != nil {
		t.Errorf("the upload itself is gone: %v", err)
	}
}
