package sqlite_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/kv"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// verify checks the database in a directory and gives what is damaged.
func verify(tb testing.TB, dir string) (sqlite.Census, []sqlite.Finding) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context()) // for cleanups, too
	f, err := sqlite.OpenFile(ctx, sqlite.DatabasePath(dir))
	if err != nil {
		tb.Fatal(err)
	}
	var found []sqlite.Finding
	census, err := f.Verify(ctx, sqlite.Checks{
		Found: func(d sqlite.Finding) { found = append(found, d) },
		References: func(_ chat.Kind, payload string) []chat.UploadID {
			if id, ok := strings.CutPrefix(payload, "upload:"); ok {
				return []chat.UploadID{chat.UploadID(id)}
			}
			return nil
		},
	})
	if err != nil {
		tb.Fatalf("verifying: %v", err)
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
	return census, found
}

func wantClean(tb testing.TB, dir string) sqlite.Census {
	tb.Helper()
	census, found := verify(tb, dir)
	for _, d := range found {
		tb.Errorf("sound data is called damaged: %+v", d)
	}
	return census
}

// busy makes a history of all that can happen, drawn at random, and closes the
// store. The damage that tests inject is in the first meeting, whose first
// entries are known: 1 public by Ann, pinned; 2 private from Ann to Bob, edited;
// 3 public by Bob, deleted; 4 with an image; then the changes 5 to 7 of these.
func busy(t *testing.T) *talk {
	t.Helper()
	tk := newTalk(t, t.TempDir())
	rawExec(t, tk.dir, `INSERT INTO uploads (id, meeting, participant, name, max_size, expires_at, blob, size, sha256, media_type, created_at)
		SELECT 'one', no, ?, 'name', 10, 0, 'one-1', 10, zeroblob(32), 'image/png', 0 FROM meetings WHERE id = ?`,
		string(tk.a.Participant), string(tk.meeting))
	one, two := tk.say(tk.a, "the first"), tk.say(tk.a, "a whisper", tk.b)
	one.ClientID, two.ClientID = "client 1", "client 2"
	three, four := tk.say(tk.b, "taken back"), tk.say(tk.a, "")
	four.App, four.Key = tk.app, "key 1"
	four.Content = chat.Content{Kind: chat.Image, Payload: "upload:one", Uploads: []chat.UploadID{"one"}}
	for _, c := range []chat.Command{
		one, two, three, four,
		chat.PinMessage{Actor: tk.b, Message: one.ID, Pinned: true},
		chat.EditMessage{Actor: tk.a, Message: two.ID, Content: chat.Content{Payload: "a softer whisper"}},
		chat.DeleteMessage{Actor: tk.b, Message: three.ID},
	} {
		tk.append(c)
	}
	tk.share("one", []byte("1"))
	tk.share("two", []byte("2"))
	tk.share("two", nil)
	rawExec(t, tk.dir, `INSERT INTO webhooks SELECT 'hook', id, 'name', 'https://example.com', '', 1, 0, 0 FROM apps`)
	rawExec(t, tk.dir, `INSERT INTO deliveries (id, webhook, event, body, created_at, due_at) VALUES ('told', 'gone', '', '', 0, NULL), ('waits', 'hook', '', '', 0, 0)`)
	rawExec(t, tk.dir, `INSERT INTO dumps SELECT id, 'csv', 0, 'export-1', 1, 0 FROM sessions LIMIT 1`)
	tk.gossip(tk.meeting, []chat.Actor{tk.a, tk.b}, 60)
	other := tk.newMeeting(directory.NewMeeting{})
	people := []chat.Actor{tk.add(other, "Cem"), tk.add(other, "Dee"), tk.add(other, "Eve")}
	for range 3 {
		for _, p := range people {
			tk.enter(p)
		}
		tk.gossip(other, people, 60)
		session := tk.enter(people[0]).ID
		for _, p := range people {
			tk.must(tk.Left(t.Context(), session, p.Peer))
		}
		tk.advance(2 * directory.DefaultKeepAlive)
		if _, err := tk.End(t.Context(), tk.now()); err != nil {
			t.Fatal(err)
		}
	}
	tk.newMeeting(directory.NewMeeting{}) // where nobody ever comes
	tk.close()
	return tk
}

// share writes a key of a store, or deletes it.
func (tk *talk) share(key string, value []byte) {
	tk.tb.Helper()
	done := make(chan error, 1)
	tk.must(tk.PutKeys(kv.Write{
		Meeting: tk.a.Meeting, Participant: tk.a.Participant, Peer: tk.a.Peer, Store: "board", Pairs: []kv.Pair{{Key: key, Value: value}},
	}, func(_ kv.Change, err error) { done <- err }))
	tk.must(<-done)
}

// gossip lets people do things at random. What is refused is refused.
func (tk *talk) gossip(meeting chat.MeetingID, people []chat.Actor, n int) {
	tk.tb.Helper()
	seed := rand.Uint64()
	tk.tb.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var sent []chat.MessageID
	for i := range n {
		who := people[random.IntN(len(people))]
		var cmd chat.Command
		switch kind := random.IntN(8); {
		case kind < 3 || len(sent) == 0:
			send := tk.say(who, fmt.Sprintf("remark %d", i))
			if random.IntN(2) == 0 {
				send.ClientID = fmt.Sprintf("%s %d", meeting, random.IntN(40))
			}
			sent, cmd = append(sent, send.ID), send
		case kind == 3:
			send := tk.say(who, fmt.Sprintf("whisper %d", i), people[random.IntN(len(people))], people[random.IntN(len(people))])
			sent, cmd = append(sent, send.ID), send
		case kind == 4:
			cmd = chat.DeleteMessage{Actor: who, Message: sent[random.IntN(len(sent))]}
		case kind == 5:
			cmd = chat.EditMessage{Actor: who, Message: sent[random.IntN(len(sent))], Content: chat.Content{Payload: "better"}}
		default:
			cmd = chat.PinMessage{Actor: who, Message: sent[random.IntN(len(sent))], Pinned: kind == 6}
		}
		_, _ = tk.journal.Append(tk.tb.Context(), cmd)
	}
}

func TestVerifyFindsNothingInABusyHistory(t *testing.T) {
	tk := busy(t)
	census := wantClean(t, tk.dir)
	if census.Meetings != 3 || census.Messages < 50 || census.Changes < 20 || census.Mailbox < 10 || census.ClientIDs < 2 || census.Keys != 1 ||
		census.Sessions != 4 || census.Peers == 0 || census.Uploads != 1 ||
		census.StoreItems != 2 || census.Deliveries != 2 {
		t.Errorf("too little was checked: %+v", census)
	}
}

// It is checked while the store is open and written to, too.
func TestVerifyBesideAServer(t *testing.T) {
	tk := busy(t)
	tk.open()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			tk.append(tk.say(tk.a, "meanwhile"))
		}
	}()
	for running := true; running; {
		wantClean(t, tk.dir)
		select {
		case <-done:
			running = false
		default:
		}
	}
	wantClean(t, tk.dir)
}

const ofFirst = ` AND meeting = (SELECT no FROM meetings ORDER BY no LIMIT 1)`

// Each kind of damage is named, with the place where it is.
func TestVerifyNamesDamage(t *testing.T) {
	for name, damage := range map[string]struct {
		sql  string
		code string
		seq  int64
	}{
		"Payload":       {`UPDATE messages SET payload = 'other words' WHERE seq = 1` + ofFirst, sqlite.DamagedChecksum, 1},
		"OneBit":        {`UPDATE messages SET payload = 'uhe first' WHERE seq = 1` + ofFirst, sqlite.DamagedChecksum, 1},
		"Author":        {`UPDATE messages SET author = 'nobody' WHERE seq = 3` + ofFirst, sqlite.DamagedChecksum, 3},
		"Kind":          {`UPDATE messages SET kind = 9 WHERE seq = 3` + ofFirst, sqlite.DamagedState, 3},
		"Audience":      {`UPDATE messages SET audience = '' WHERE seq = 2` + ofFirst, sqlite.DamagedChecksum, 2},
		"ChangedBefore": {`UPDATE changes SET before = 'x' WHERE seq = 6` + ofFirst, sqlite.DamagedChecksum, 6},
		"ChangedKind":   {`UPDATE changes SET kind = 77 WHERE seq = 6` + ofFirst, sqlite.DamagedState, 6},

		"NoMessage":   {`DELETE FROM messages WHERE seq = 4` + ofFirst, sqlite.DamagedSequence, 4},
		"NoFirst":     {`DELETE FROM messages WHERE seq = 1` + ofFirst, sqlite.DamagedSequence, 1},
		"NoChange":    {`DELETE FROM changes WHERE seq = 6` + ofFirst, sqlite.DamagedSequence, 6},
		"NoThree":     {`DELETE FROM changes WHERE seq IN (5, 6, 7)` + ofFirst, sqlite.DamagedSequence, 5},
		"Twice":       {`INSERT INTO changes SELECT meeting, 4, pub, at, kind, target, actor, peer, before, crc FROM changes WHERE seq = 5` + ofFirst, sqlite.DamagedSequence, 4},
		"NoTarget":    {`UPDATE changes SET target = 1000000 WHERE seq = 5` + ofFirst, sqlite.DamagedReference, 5},
		"TargetAhead": {`UPDATE changes SET target = (SELECT MAX(seq) FROM messages WHERE seq > 9` + ofFirst + `) WHERE seq = 5` + ofFirst, sqlite.DamagedReference, 5},
		"Time":        {`UPDATE messages SET at = 1 WHERE seq = 3` + ofFirst, sqlite.DamagedTime, 3},

		"PublicNumber":  {`UPDATE messages SET pub = 7 WHERE seq = 3` + ofFirst, sqlite.DamagedCounter, 3},
		"PrivateCount":  {`UPDATE messages SET pub = 2 WHERE seq = 2` + ofFirst, sqlite.DamagedCounter, 2},
		"PrivateNumber": {`UPDATE mailbox SET own = own + 5000 WHERE seq = 2` + ofFirst, sqlite.DamagedCounter, 2},
		"HeadBehind":    {`UPDATE meetings SET last_seq = last_seq - 1 WHERE no = 1`, sqlite.DamagedHead, -1},
		"HeadAhead":     {`UPDATE meetings SET last_seq = last_seq + 1 WHERE no = 1`, sqlite.DamagedSequence, -1},
		"HeadPublic":    {`UPDATE meetings SET last_pub = last_pub + 1 WHERE no = 1`, sqlite.DamagedHead, -1},
		"HeadTime":      {`UPDATE meetings SET last_at = last_at + 1 WHERE no = 1`, sqlite.DamagedHead, -1},
		"NoEpoch":       {`UPDATE meetings SET epoch = '' WHERE no = 1`, sqlite.DamagedHead, 0},

		"Pinned":       {`UPDATE messages SET pinned = 1 WHERE seq = 3` + ofFirst, sqlite.DamagedState, 3},
		"NotEdited":    {`UPDATE messages SET edited_at = 0 WHERE seq = 2` + ofFirst, sqlite.DamagedState, 2},
		"NotDeleted":   {`UPDATE messages SET deleted_at = 0 WHERE seq = 3` + ofFirst, sqlite.DamagedState, 3},
		"Undead":       {`UPDATE messages SET payload = 'back' WHERE seq = 3` + ofFirst, sqlite.DamagedState, 3},
		"AfterTheEnd":  {`UPDATE changes SET kind = 3, target = 3 WHERE seq = 5` + ofFirst, sqlite.DamagedState, 7},
		"NoMailbox":    {`DELETE FROM mailbox WHERE seq = 2` + ofFirst, sqlite.DamagedMailbox, 2},
		"MailboxOther": {`UPDATE mailbox SET participant = participant || '!' WHERE seq = 2` + ofFirst, sqlite.DamagedMailbox, 2},
		"MailboxMore":  {`INSERT INTO mailbox SELECT meeting, 'third', 1, seq, at FROM mailbox WHERE seq = 2` + ofFirst + ` LIMIT 1`, sqlite.DamagedMailbox, 2},
		"MailboxSeq":   {`UPDATE mailbox SET seq = 3 WHERE seq = 2` + ofFirst, sqlite.DamagedMailbox, 2},
		"NotForAuthor": {`UPDATE messages SET author = 'nobody' WHERE seq = 2` + ofFirst, sqlite.DamagedMailbox, 2},

		"ClientID":       {`UPDATE client_ids SET seq = 1000000 WHERE client_id = 'client 1'`, sqlite.DamagedClientID, 1000000},
		"ClientIDOther":  {`UPDATE client_ids SET seq = 3 WHERE client_id = 'client 1'`, sqlite.DamagedClientID, 3},
		"ClientIDDigest": {`UPDATE client_ids SET digest = x'' WHERE client_id = 'client 1'`, sqlite.DamagedClientID, 1},

		"Key":        {`UPDATE idempotency_keys SET seq = 1000000`, sqlite.DamagedKey, 1000000},
		"KeyOther":   {`UPDATE idempotency_keys SET seq = 3`, sqlite.DamagedKey, 3},
		"KeyForeign": {`UPDATE idempotency_keys SET app = 'another'`, sqlite.DamagedKey, 4},
		"KeyDigest":  {`UPDATE idempotency_keys SET digest = x''`, sqlite.DamagedKey, 4},

		"NoSession":      {`UPDATE messages SET session = 'another' WHERE seq = 3` + ofFirst, sqlite.DamagedSession, 3},
		"SessionLater":   {`UPDATE sessions SET first_seq = 3 WHERE first_seq = 1` + ofFirst, sqlite.DamagedSession, 1},
		"SessionFuture":  {`UPDATE sessions SET first_seq = 1000000 WHERE first_seq = 1` + ofFirst, sqlite.DamagedSession, 0},
		"SessionGone":    {`UPDATE meetings SET session = 'another' WHERE no = 1`, sqlite.DamagedSession, 0},
		"SessionForeign": {`UPDATE meetings SET session = (SELECT id FROM sessions WHERE meeting <> 1 LIMIT 1) WHERE no = 1`, sqlite.DamagedSession, 0},
		"SessionOver":    {`UPDATE sessions SET ended_at = 1 WHERE ended_at IS NULL`, sqlite.DamagedSession, 0},
		"SessionLost":    {`UPDATE meetings SET session = NULL WHERE no = 1`, sqlite.DamagedSession, 0},
		"PeerAhead":      {`UPDATE peers SET seen_seq = 1000000 WHERE participant = (SELECT id FROM participants WHERE name = 'Bob')`, sqlite.DamagedSession, 1000000},
		"PeersCount":     {`UPDATE sessions SET peers = peers + 1 WHERE meeting = 1`, sqlite.DamagedSession, 0},
		"LiveCount":      {`UPDATE sessions SET live = live + 1, most = most + 1 WHERE meeting = 1`, sqlite.DamagedSession, 0},
		"PeerEventGone":  {`DELETE FROM peer_events WHERE no = 1`, sqlite.DamagedSession, 0},

		"UploadGone":    {`DELETE FROM uploads WHERE id = 'one'`, sqlite.DamagedUpload, 4},
		"UploadEmpty":   {`UPDATE uploads SET blob = NULL WHERE id = 'one'`, sqlite.DamagedUpload, 4},
		"UploadUnused":  {`UPDATE uploads SET attached_at = NULL WHERE id = 'one'`, sqlite.DamagedUpload, 4},
		"UploadForeign": {`UPDATE uploads SET meeting = 2 WHERE id = 'one'`, sqlite.DamagedUpload, 4},
		"UploadSize":    {`UPDATE uploads SET size = NULL WHERE id = 'one'`, sqlite.DamagedUpload, 0},
		"UploadDigest":  {`UPDATE uploads SET sha256 = x'00' WHERE id = 'one'`, sqlite.DamagedUpload, 0},

		"StoreValue":   {`UPDATE store_items SET value = CAST('3' AS BLOB) WHERE key = 'one'`, sqlite.DamagedChecksum, 0},
		"StoreOver":    {`INSERT INTO store_items SELECT (SELECT id FROM sessions WHERE ended_at IS NOT NULL LIMIT 1), store, key, value, peer, at, rival, crc FROM store_items WHERE key = 'one'`, sqlite.DamagedStore, 0},
		"StoreKeys":    {`UPDATE store_totals SET keys = keys + 1`, sqlite.DamagedStore, 0},
		"StoreBytes":   {`UPDATE store_totals SET bytes = bytes - 1`, sqlite.DamagedStore, 0},
		"StoreDeleted": {`DELETE FROM store_items WHERE value IS NULL`, sqlite.DamagedStore, 0},
		"StoreTime":    {`UPDATE store_totals SET last_at = 1`, sqlite.DamagedStore, 0},
		"NoTotals":     {`DELETE FROM store_totals`, sqlite.DamagedStore, 0},
		"NoWebhook":    {`DELETE FROM webhooks`, sqlite.DamagedWebhook, 0},
		"DumpOfNone":   {`UPDATE dumps SET session = 'another'`, sqlite.DamagedExport, 0},
		"DumpBytes":    {`UPDATE dumps SET size = -1`, sqlite.DamagedExport, 0},
		"EndedOfLive":  {`INSERT INTO ended_sessions (session) SELECT id FROM sessions WHERE ended_at IS NULL`, sqlite.DamagedExport, 0},
		"KeyOfNoApp":   {`INSERT INTO api_keys VALUES ('k', x'01', 'none', 'n', 'admin', 0)`, sqlite.DamagedReference, 0},
		"HookOfNoApp":  {`UPDATE webhooks SET app = 'none'`, sqlite.DamagedReference, 0},

		"Reference":  {`UPDATE participants SET preset = 'none' WHERE name = 'Bob'`, sqlite.DamagedReference, 0},
		"NoMeeting":  {`INSERT INTO client_ids VALUES (77, 'p', 'c', 1, x'00')`, sqlite.DamagedReference, 0},
		"StrayRows":  {`UPDATE changes SET meeting = 78 WHERE seq = 5` + ofFirst, sqlite.DamagedReference, 0},
		"OtherTypes": {`UPDATE messages SET pinned = 'yes' WHERE seq = 3` + ofFirst, sqlite.DamagedUnreadable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tk := busy(t)
			rawExec(t, tk.dir, damage.sql)
			_, found := verify(t, tk.dir)
			if !slices.ContainsFunc(found, func(d sqlite.Finding) bool {
				return d.Code == damage.code && (d.Seq == damage.seq || (damage.seq < 0 && d.Seq > 0)) &&
					(d.Meeting == tk.meeting || d.Meeting == "" || name == "UploadForeign" || name == "StoreOver")
			}) {
				t.Errorf("no %q of entry %d among %+v", damage.code, damage.seq, found)
			}
			for _, d := range found {
				for _, secret := range []string{"whisper", "the first", "taken back", "other words", "remark"} {
					if strings.Contains(d.Detail, secret) {
						t.Errorf("a finding tells what was said: %q", d.Detail)
					}
				}
			}
		})
	}
}

// Damage of the file itself. What is searched for may stand in dead space, too,
// so it is changed wherever it stands.
func TestVerifyNamesDamagedPages(t *testing.T) {
	for name, test := range map[string]struct {
		text   string
		damage func(content []byte, at int)
		code   string
	}{
		"OneBit":  {"a softer whisper", func(content []byte, at int) { content[at] ^= 1 }, sqlite.DamagedChecksum},
		"OnePage": {"a softer whisper", func(content []byte, at int) { clear(content[at/4096*4096:][:4096]) }, sqlite.DamagedPages},
		// The id stands in the table and in its index, which then differ.
		"Index": {"message 12", func(content []byte, at int) { content[at] = byte(at / 4096) }, sqlite.DamagedPages},
	} {
		t.Run(name, func(t *testing.T) {
			tk := busy(t)
			changeFile(t, tk.dir, func(content []byte) {
				for at := 0; ; {
					i := bytes.Index(content[at:], []byte(test.text))
					if i < 0 {
						break
					}
					test.damage(content, at+i)
					at += i + 1
				}
			})
			_, found := verify(t, tk.dir)
			if !slices.ContainsFunc(found, func(d sqlite.Finding) bool { return d.Code == test.code }) {
				t.Errorf("no %q among %+v", test.code, found)
			}
		})
	}
}

// A private entry is found by index, however full the mailbox is.
func TestPrivateEntriesAreFoundByIndex(t *testing.T) {
	tk := busy(t)
	rows, err := raw(t, tk.dir).QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+sqlite.PlaceQuery, 1, "somebody", 1)
	tk.must(err)
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var plan string
		tk.must(rows.Scan(&id, &parent, &unused, &plan))
		if !strings.Contains(plan, "mailbox_by_time (meeting=? AND participant=? AND at=?)") {
			t.Errorf("the plan is %q", plan)
		}
	}
	tk.must(rows.Err())
}
