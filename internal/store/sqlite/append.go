package sqlite

import (
	"fmt"
	"strings"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// This file is the Tx of package journal: what an append reads and writes.

// head is a meeting's head, and whether the transaction has moved it.
type head struct {
	journal.Head
	moved bool
	// kicks is how many peers were ever kicked from the meeting.
	kicks int
}

const headQuery = `SELECT m.no, m.epoch, m.last_seq, m.last_pub, m.last_at, m.active, m.persist_chat,
	COALESCE(m.session, ''), COALESCE(s.first_seq, m.last_seq + 1), m.kicks, m.app, ` + ruleColumns + `
	FROM meetings m LEFT JOIN sessions s ON s.id = m.session WHERE m.id = ?`

// scan fills the head from a row of headQuery.
func (h *head) scan(id chat.MeetingID, read func(dest ...any) (bool, error)) (bool, error) {
	var active, persist bool
	var rules ruleRow
	found, err := read(append([]any{
		&h.No, &h.Epoch, &h.Seq, &h.Pub, &h.At, &active, &persist, &h.Session, &h.VisibleFrom, &h.kicks, &h.App,
	}, rules.dest()...)...)
	h.Meeting, h.Active, h.Rules = id, active, rules.rules()
	if persist {
		h.VisibleFrom = 1
	}
	return found, err
}

// Head implements journal.Tx.
func (tx *Tx) Head(id chat.MeetingID) (*journal.Head, error) {
	if h := tx.heads[string(id)]; h != nil {
		return &h.Head, nil
	}
	var h *head
	if !tx.changedHeads.has(string(id)) {
		h = tx.db.kept.takeHead(string(id))
	}
	if h == nil {
		h = new(head)
		found, err := h.scan(id, func(dest ...any) (bool, error) { return tx.row(headQuery, []any{string(id)}, dest...) })
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, journal.ErrNoMeeting
		}
	}
	tx.heads[string(id)] = h
	tx.order = append(tx.order, h)
	return &h.Head, nil
}

// forgetHead makes the next Head read the meeting anew, after a job has
// changed the row by other means. Numbers given out before are saved first.
func (tx *Tx) forgetHead(id chat.MeetingID) error {
	if h := tx.heads[string(id)]; h != nil {
		if err := tx.saveHead(h); err != nil {
			return err
		}
	}
	delete(tx.heads, string(id))
	return nil
}

func (tx *Tx) saveHeads() error {
	for _, h := range tx.order {
		if err := tx.saveHead(h); err != nil {
			return err
		}
	}
	for id, n := range tx.revised {
		if _, err := tx.exec(`UPDATE sessions SET revision = revision + ? WHERE id = ?`, n, string(id)); err != nil {
			return err
		}
	}
	return nil
}

// saveHeads begins the statement that saves a head.
const saveHeads = `UPDATE meetings SET last_seq = `

func (tx *Tx) saveHead(h *head) error {
	if !h.moved {
		return nil
	}
	h.moved = false
	_, err := tx.exec(saveHeads+`?, last_pub = ?, last_at = ? WHERE no = ?`,
		int64(h.Seq), int64(h.Pub), h.At, h.No)
	return err
}

// person is what was read of a participant; chat is nil for nobody.
type person struct {
	chat   *chat.Participant
	preset string
}

// Participant implements journal.Tx.
func (tx *Tx) Participant(meeting chat.MeetingID, id chat.ParticipantID) (*chat.Participant, error) {
	key := accessKey{meeting, id}
	if p := tx.people[key]; p != nil {
		return p.chat, nil
	}
	if p := tx.db.kept.people[key]; p != nil && !p.touchedBy(key, &tx.directory) {
		return p.chat, nil
	}
	var name, preset, body, override string
	var rules ruleRow
	found, err := tx.row(`SELECT p.name, r.id, r.body, p.override, `+ruleColumns+` FROM participants p
		JOIN meetings m ON m.no = p.meeting JOIN presets r ON r.id = p.preset
		WHERE p.id = ? AND m.id = ?`, []any{string(id), string(meeting)}, append([]any{&name, &preset, &body, &override}, rules.dest()...)...)
	if err != nil {
		return nil, err
	}
	p := &person{preset: preset}
	if found {
		rights, err := tx.db.permissions(preset, body, override)
		if err != nil {
			return nil, err
		}
		p.chat = &chat.Participant{ID: id, Name: name, Permissions: rules.rules().Apply(rights)}
	}
	tx.people[key] = p
	return p.chat, nil
}

// Message implements journal.Tx.
func (tx *Tx) Message(h *journal.Head, id chat.MessageID) (*chat.Message, error) {
	r, err := tx.messageRow(h, `m.id = ?`, string(id))
	if r == nil || err != nil {
		return nil, err
	}
	m := r.message(h.Meeting)
	return &m, nil
}

// messageRow reads a row that the where clause names, once in a transaction.
func (tx *Tx) messageRow(h *journal.Head, where string, args ...any) (*messageRow, error) {
	r := new(messageRow)
	found, err := tx.row(`SELECT `+messageColumns+` FROM messages m WHERE m.meeting = ? AND `+where,
		append([]any{h.No}, args...), r.dest()...)
	if err != nil || !found {
		return nil, err
	}
	if !r.intact() {
		return nil, tx.db.found(r.meeting, r.seq)
	}
	if known := tx.rows[r.id]; known != nil {
		return known, nil
	}
	tx.rows[r.id] = r
	return r, nil
}

// Upload implements journal.Tx.
func (tx *Tx) Upload(id chat.UploadID) (*chat.Upload, error) {
	u := chat.Upload{ID: id}
	found, err := tx.row(`SELECT m.id, u.participant, u.size IS NOT NULL, u.media_type
		FROM uploads u JOIN meetings m ON m.no = u.meeting WHERE u.id = ?`,
		[]any{string(id)}, &u.Meeting, &u.Owner, &u.Complete, &u.Type)
	if err != nil || !found {
		return nil, err
	}
	return &u, nil
}

// Repeat implements journal.Tx.
func (tx *Tx) Repeat(h *journal.Head, participant chat.ParticipantID, clientID string) (*chat.Repeat, error) {
	var seq int64
	var digest []byte
	found, err := tx.row(`SELECT seq, digest FROM client_ids WHERE meeting = ? AND participant = ? AND client_id = ?`,
		[]any{h.No, string(participant), clientID}, &seq, &digest)
	if err != nil || !found {
		return nil, err
	}
	r, err := tx.messageRow(h, `m.seq = ?`, seq)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, fmt.Errorf("client id of entry %d: its row is missing: %w", seq, journal.ErrDamaged)
	}
	return &chat.Repeat{Digest: digest, Message: r.message(h.Meeting)}, nil
}

// KeyRepeat implements journal.Tx.
func (tx *Tx) KeyRepeat(h *journal.Head, app chat.AppID, key string, since int64) (*chat.Repeat, error) {
	var meeting, seq int64
	r := new(chat.Repeat)
	found, err := tx.row(`SELECT meeting, seq, digest FROM idempotency_keys WHERE app = ? AND key = ? AND at > ?`,
		[]any{string(app), key, since}, &meeting, &seq, &r.Digest)
	if err != nil || !found {
		return nil, err
	}
	if meeting != h.No {
		return r, nil
	}
	row, err := tx.messageRow(h, `m.seq = ?`, seq)
	if err != nil {
		return nil, err
	}
	if row == nil {
		return nil, fmt.Errorf("idempotency key of entry %d: its row is missing: %w", seq, journal.ErrDamaged)
	}
	r.Message = row.message(h.Meeting)
	return r, nil
}

// keysAtOnce is how many keys whose time is over go with each that comes, so
// that there are never more than came in the time that they are kept for.
const keysAtOnce = 4

// putKey keeps what an app called a message.
func (tx *Tx) putKey(h *head, e *journal.Entry) error {
	if _, err := tx.exec(`DELETE FROM idempotency_keys WHERE (app, key) IN
		(SELECT app, key FROM idempotency_keys WHERE at <= ? ORDER BY at LIMIT ?)`, e.At-journal.KeysFor.Milliseconds(), keysAtOnce); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO idempotency_keys (app, key, meeting, seq, digest, at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (app, key) DO UPDATE SET meeting = excluded.meeting, seq = excluded.seq, digest = excluded.digest, at = excluded.at`,
		string(e.Event.App), e.Event.Key, h.No, int64(e.Seq), e.Event.Digest, e.At)
	return err
}

// Own implements journal.Tx.
func (tx *Tx) Own(h *journal.Head, participant chat.ParticipantID) (uint64, error) {
	var own uint64
	_, err := tx.row(`SELECT own FROM mailbox WHERE meeting = ? AND participant = ? ORDER BY own DESC LIMIT 1`,
		[]any{h.No, string(participant)}, &own)
	return own, err
}

// LastSent implements journal.Tx.
func (tx *Tx) LastSent(h *journal.Head, who chat.ParticipantID) (int64, error) {
	var at int64
	_, err := tx.row(`SELECT at FROM senders WHERE meeting = ? AND participant = ?`, []any{h.No, string(who)}, &at)
	return at, err
}

// Put implements journal.Tx.
func (tx *Tx) Put(jh *journal.Head, e *journal.Entry) error {
	h := tx.heads[string(jh.Meeting)]
	if e.Seq != h.Seq+1 {
		return tx.fail(fmt.Errorf("entry %d does not follow on %d", e.Seq, h.Seq))
	}
	var err error
	if e.Event.Kind == chat.MessageSent {
		err = tx.putMessage(h, e)
	} else {
		err = tx.putChange(h, e)
	}
	if err != nil {
		return err
	}
	for id, own := range e.Own {
		if _, err := tx.exec(`INSERT INTO mailbox (meeting, participant, own, seq, at) VALUES (?, ?, ?, ?, ?)`,
			h.No, string(id), int64(own), int64(e.Seq), e.At); err != nil {
			return err
		}
	}
	h.Seq, h.At, h.moved = e.Seq, e.At, true
	if e.Event.Message.Public() {
		tx.revised[e.Event.Message.Session]++
	}
	if e.Pub > 0 {
		h.Pub = e.Pub
	}
	return tx.attach(e)
}

var (
	insertMessage = `INSERT INTO messages VALUES (` + strings.TrimSuffix(strings.Repeat("?, ", 16), ", ") + `)`
	insertChange  = `INSERT INTO changes VALUES (` + strings.TrimSuffix(strings.Repeat("?, ", 10), ", ") + `)`
)

func (tx *Tx) putMessage(h *head, e *journal.Entry) error {
	r := &messageRow{meeting: h.No, seq: int64(e.Seq), pub: int64(e.Pub), at: e.At}
	r.set(&e.Event.Message)
	if _, err := tx.exec(insertMessage, r.values()...); err != nil {
		return err
	}
	if h.Rules.SlowMode > 0 {
		if _, err := tx.exec(`INSERT INTO senders (meeting, participant, at) VALUES (?, ?, ?)
			ON CONFLICT (meeting, participant) DO UPDATE SET at = excluded.at`, h.No, r.author, e.At); err != nil {
			return err
		}
	}
	if e.Event.Key != "" {
		if err := tx.putKey(h, e); err != nil {
			return err
		}
	}
	if e.Event.ClientID == "" {
		return nil
	}
	_, err := tx.exec(`INSERT INTO client_ids (meeting, participant, client_id, seq, digest) VALUES (?, ?, ?, ?, ?)`,
		h.No, r.author, e.Event.ClientID, r.seq, e.Event.Digest)
	return err
}

// putChange stores an edit, a deletion, a pin, and what it makes of the
// message.
func (tx *Tx) putChange(h *head, e *journal.Entry) error {
	m := &e.Event.Message
	r := tx.rows[string(m.ID)]
	if r == nil {
		return tx.fail(fmt.Errorf("entry %d changes a message that was not read", e.Seq))
	}
	r.set(m)
	if _, err := tx.exec(`UPDATE messages SET payload = ?, pinned = ?, edited_at = ?, deleted_at = ?, crc = ?
		WHERE meeting = ? AND seq = ?`,
		r.payload, r.pinned, r.editedAt, r.deletedAt, r.crc, r.meeting, r.seq); err != nil {
		return err
	}
	c := changeRow{
		meeting: h.No, seq: int64(e.Seq), pub: int64(e.Pub), at: e.At, kind: int64(e.Event.Kind), target: r.seq,
		actor: string(e.Event.Actor), peer: string(e.Event.Peer), before: e.Event.Before.Payload,
	}
	c.crc = c.sum()
	_, err := tx.exec(insertChange, c.values()...)
	return err
}

// attach marks the files a message refers to: from now on they may not be put
// again.
func (tx *Tx) attach(e *journal.Entry) error {
	for _, id := range e.Event.Message.Content.Uploads {
		if _, err := tx.exec(`UPDATE uploads SET attached_at = COALESCE(attached_at, ?) WHERE id = ?`,
			e.At, string(id)); err != nil {
			return err
		}
	}
	return nil
}
