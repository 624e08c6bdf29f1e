package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
)

// damaged is a talk whose journal is: 1 "before", 2 "the damaged one" (public),
// 3 "for bob" (private), 4 "after", 5 a pin of 2, 6 an edit of 4, 7 "last".
func damaged(t *testing.T) *talk {
	t.Helper()
	tk := newTalk(t, t.TempDir())
	tk.append(tk.say(tk.a, "before"))
	second := tk.say(tk.a, "the damaged one")
	second.ClientID = "second"
	tk.append(second)
	tk.append(tk.say(tk.a, "for bob", tk.b))
	fourth := tk.append(tk.say(tk.a, "after")).Event.Message.ID
	tk.append(chat.PinMessage{Actor: tk.a, Message: second.ID, Pinned: true})
	tk.append(chat.EditMessage{Actor: tk.a, Message: fourth, Content: chat.Content{Payload: "after all"}})
	tk.append(tk.say(tk.a, "last"))
	return tk
}

// wantDamage demands that the journal is not read past the damage.
func (tk *talk) wantDamage() {
	tk.tb.Helper()
	entries, err := tk.readAll()
	if !errors.Is(err, journal.ErrDamaged) {
		tk.tb.Errorf("reading the journal gave %d entries and %v, want ErrDamaged", len(entries), err)
	}
	if tk.Damaged() == 0 {
		tk.tb.Error("the damage is not counted")
	}
}

// Any column of a message that is not what was written: pages leave the
// message out, whoever asks for whatever, and the journal is not read past it.
func TestDamagedMessageIsNotServed(t *testing.T) {
	for name, change := range map[string]string{
		"Payload":     `payload = 'something else'`,
		"OneBit":      `payload = 'uhe damaged one'`,
		"Author":      `author = (SELECT id FROM participants WHERE name = 'Bob')`,
		"DisplayName": `display_name = 'Anna'`,
		"Peer":        `peer = 'another'`,
		"ID":          `id = 'another'`,
		"Session":     `session = 'another'`,
		"Kind":        `kind = 3`,
		"Time":        `at = at + 1`,
		"PublicNo":    `pub = pub + 1`,
		"Private":     `pub = 0, audience = (SELECT MIN(id) || ' ' || MAX(id) FROM participants)`,
		"Pinned":      `pinned = 0`,
		"Edited":      `edited_at = at + 1`,
		"Deleted":     `deleted_at = at + 1`,
		"Checksum":    `crc = crc + 1`,
	} {
		t.Run(name, func(t *testing.T) {
			tk := damaged(t)
			rawExec(t, tk.dir, `UPDATE messages SET `+change+` WHERE seq = 2`)
			tk.wantTexts("before", "for bob", "after all", "last")
			tk.wantDamage()
			if err := tk.Health(); err != nil {
				t.Errorf("one damaged message made the whole store ill: %v", err)
			}
			tk.append(tk.say(tk.b, "life goes on"))
			tk.wantTexts("before", "for bob", "after all", "last", "life goes on")
		})
	}
}

// A private message that damage makes look public, or someone else's, stays
// unseen by the third.
func TestDamageDoesNotPublish(t *testing.T) {
	for name, change := range map[string]string{
		"Public":  `UPDATE messages SET audience = '', pub = 3 WHERE seq = 3`,
		"Third":   `UPDATE messages SET audience = (SELECT GROUP_CONCAT(id, ' ') FROM (SELECT id FROM participants ORDER BY id)) WHERE seq = 3`,
		"Mailbox": `UPDATE mailbox SET participant = (SELECT id FROM participants WHERE name = 'Eve') WHERE seq = 3 AND participant = (SELECT id FROM participants WHERE name = 'Bob')`,
	} {
		t.Run(name, func(t *testing.T) {
			tk := damaged(t)
			eve := tk.add(tk.meeting, "Eve")
			tk.enter(eve)
			rawExec(t, tk.dir, change)
			if name == "Third" {
				rawExec(t, tk.dir, `INSERT INTO mailbox SELECT meeting, ?, own, seq, at FROM mailbox WHERE seq = 3 LIMIT 1`, string(eve.Participant))
			}
			page, err := tk.journal.Page(t.Context(), journal.Query{
				Meeting: tk.meeting, Viewer: eve.Participant, Receives: true, Filter: journal.Everything,
			})
			tk.must(err)
			for _, m := range page.Messages {
				if m.Seq == 3 {
					t.Errorf("the third sees %+v", m)
				}
			}
		})
	}
}

func TestDamagedJournalIsNotReadPastTheDamage(t *testing.T) {
	for name, change := range map[string]string{
		"ChangeKind":    `UPDATE changes SET kind = 3 WHERE seq = 5`,
		"ChangeActor":   `UPDATE changes SET actor = 'another' WHERE seq = 5`,
		"ChangePeer":    `UPDATE changes SET peer = 'another' WHERE seq = 5`,
		"ChangeTime":    `UPDATE changes SET at = at + 1 WHERE seq = 5`,
		"ChangePublic":  `UPDATE changes SET pub = 0 WHERE seq = 5`,
		"ChangeTarget":  `UPDATE changes SET target = 1 WHERE seq = 5`,
		"ChangeNowhere": `UPDATE changes SET target = 99 WHERE seq = 5`,
		"ChangeText":    `UPDATE changes SET before = 'words' WHERE seq = 6`,
		"NoFirst":       `DELETE FROM messages WHERE seq = 1`,
		"NoMessage":     `DELETE FROM messages WHERE seq = 4`,
		"NoChange":      `DELETE FROM changes WHERE seq = 6`,
		"NoLast":        `DELETE FROM messages WHERE seq = 7`,
		"NoPrivateNo":   `DELETE FROM mailbox WHERE seq = 3`,
	} {
		t.Run(name, func(t *testing.T) {
			tk := damaged(t)
			rawExec(t, tk.dir, change)
			tk.wantDamage()
		})
	}
}

// The first message of a session is where pages begin. If it is damaged, they
// begin after it, and still not before the session.
func TestFirstMessageOfTheSessionIsDamaged(t *testing.T) {
	for name, change := range map[string]string{
		"Payload": `payload = 'something else'`, "Later": `at = at + 1000000`, "Earlier": `at = 1`, "Deleted": `deleted_at = 1`,
	} {
		t.Run(name, func(t *testing.T) {
			tk := newTalk(t, t.TempDir())
			tk.meeting = tk.newMeeting(directory.NewMeeting{})
			tk.a = tk.add(tk.meeting, "Ann")
			s := tk.enter(tk.a)
			tk.append(tk.say(tk.a, "in the earlier session"))
			tk.must(tk.Left(t.Context(), s.ID, tk.a.Peer))
			tk.advance(directory.DefaultKeepAlive)
			if n, err := tk.End(t.Context(), tk.now()); err != nil || n != 1 {
				t.Fatalf("%d sessions ended, %v", n, err)
			}
			tk.enter(tk.a)
			tk.append(tk.say(tk.a, "first"))
			tk.append(tk.say(tk.a, "second"))
			tk.wantTexts("first", "second")
			rawExec(t, tk.dir, `UPDATE messages SET `+change+` WHERE seq = 2`)
			tk.wantTexts("second")
		})
	}
}

// What comes before the damage is still read.
func TestJournalIsReadUpToTheDamage(t *testing.T) {
	tk := damaged(t)
	rawExec(t, tk.dir, `UPDATE changes SET kind = 3 WHERE seq = 6`)
	entries, err := tk.journal.Entries(t.Context(), tk.meeting, 0, 5)
	if err != nil || len(entries) != 5 {
		t.Errorf("the first five entries: %d, %v", len(entries), err)
	}
	if _, err := tk.journal.Entries(t.Context(), tk.meeting, 5, 1); !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("the sixth: %v, want ErrDamaged", err)
	}
	entries, err = tk.journal.Entries(t.Context(), tk.meeting, 6, 5)
	if err != nil || len(entries) != 1 {
		t.Errorf("what follows: %d entries, %v", len(entries), err)
	}
}

// Nothing is decided on a message that is damaged.
func TestDamagedMessageIsNotChanged(t *testing.T) {
	tk := damaged(t)
	id := tk.page().Messages[1].ID
	rawExec(t, tk.dir, `UPDATE messages SET payload = 'something else' WHERE seq = 2`)
	repeat := tk.say(tk.a, "the damaged one")
	repeat.ClientID = "second"
	for _, cmd := range []chat.Command{
		chat.EditMessage{Actor: tk.a, Message: id, Content: chat.Content{Payload: "edited"}},
		chat.DeleteMessage{Actor: tk.a, Message: id},
		chat.PinMessage{Actor: tk.a, Message: id},
		repeat,
	} {
		tk.wantUnavailable(cmd)
	}
	if tk.append(tk.say(tk.a, "next")).Seq != 8 {
		t.Error("a command that could not be decided took a number")
	}
}

// The same on the disk itself: one flipped bit in the file.
func TestFlippedBitInTheFile(t *testing.T) {
	tk := damaged(t)
	tk.close()
	changeFile(t, tk.dir, func(content []byte) {
		i := bytes.Index(content, []byte("the damaged one"))
		if i < 0 {
			t.Fatal("the message is not in the file")
		}
		content[i] ^= 0x01
	})
	tk.open()
	tk.wantTexts("before", "for bob", "after all", "last")
	tk.wantDamage()
}

// A page of the file that is not even a page: nothing is served of it, and the
// error says what it is.
func TestDamagedPageOfTheFile(t *testing.T) {
	tk := damaged(t)
	tk.close()
	changeFile(t, tk.dir, func(content []byte) {
		const pageSize = 4096
		i := bytes.Index(content, []byte("the damaged one")) / pageSize * pageSize
		clear(content[i : i+8])
	})
	tk.open()
	if _, err := tk.readAll(); !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("Entries gave %v, want ErrDamaged", err)
	}
	_, err := tk.journal.Page(t.Context(), journal.Query{Meeting: tk.meeting, Viewer: tk.a.Participant, Filter: journal.PublicOnly})
	if !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("Page gave %v, want ErrDamaged", err)
	}
}

func changeFile(t *testing.T, dir string, change func([]byte)) {
	t.Helper()
	path := filepath.Join(dir, "parley.db")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change(content)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Files that a message refers to are marked, in the transaction of the entry.
func TestSentFilesAreMarked(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	for _, id := range []string{"one", "two", "three"} {
		rawExec(t, tk.dir, `INSERT INTO uploads (id, meeting, participant, name, max_size, expires_at, size, media_type, created_at)
			SELECT ?, no, ?, 'name', 10, 0, 10, 'image/png', 0 FROM meetings WHERE id = ?`, id, string(tk.a.Participant), string(tk.meeting))
	}
	send := tk.say(tk.a, "upload:one")
	send.Content = chat.Content{Kind: chat.Image, Payload: "upload:one", Uploads: []chat.UploadID{"one"}}
	at := tk.append(send).At
	tk.advance(1e9)
	edit := chat.EditMessage{Actor: tk.a, Message: send.ID, Content: chat.Content{Kind: chat.Image, Payload: "2", Uploads: []chat.UploadID{"one", "two"}}}
	edited := tk.append(edit).At
	foreign := tk.say(tk.b, "upload:three")
	foreign.Content = chat.Content{Kind: chat.Image, Payload: "upload:three", Uploads: []chat.UploadID{"three"}}
	if _, err := tk.journal.Append(t.Context(), foreign); chat.CodeOf(err) != chat.Invalid {
		t.Errorf("another's file gave %v", err)
	}
	for id, want := range map[string]int64{"one": at, "two": edited, "three": 0} {
		var got int64
		tk.must(raw(t, tk.dir).QueryRowContext(context.Background(), `SELECT COALESCE(attached_at, 0) FROM uploads WHERE id = ?`, id).Scan(&got))
		if got != want {
			t.Errorf("file %s was attached at %d, want %d", id, got, want)
		}
	}
}
