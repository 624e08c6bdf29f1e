package sqlite

import (
	"encoding/binary"
	"hash/crc32"
	"strings"

	"github.com/parley-chat/parley/internal/chat"
)

// Each row of messages and changes ends in a CRC-32C over all its other
// columns, in the order of the table: integers as 8 bytes big-endian, texts as
// their length in that form and their bytes. It is checked whenever the row is
// read.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum collects the columns of one row.
type checksum struct{ buf []byte }

func (c *checksum) num(values ...int64) *checksum {
	for _, v := range values {
		c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(v))
	}
	return c
}

func (c *checksum) text(values ...string) *checksum {
	for _, v := range values {
		c.num(int64(len(v)))
		c.buf = append(c.buf, v...)
	}
	return c
}

func (c *checksum) sum() int64 { return int64(crc32.Checksum(c.buf, castagnoli)) }

// messageRow is a row of messages.
type messageRow struct {
	meeting, seq, pub, at                    int64
	id, session, author, peer, name, payload string
	audience                                 string
	kind, pinned, editedAt, deletedAt        int64
	crc                                      int64
}

const messageColumns = `m.meeting, m.seq, m.pub, m.at, m.id, m.session, m.author, m.peer, m.display_name,
	m.kind, m.payload, m.audience, m.pinned, m.edited_at, m.deleted_at, m.crc`

func (r *messageRow) dest() []any {
	return []any{&r.meeting, &r.seq, &r.pub, &r.at, &r.id, &r.session, &r.author, &r.peer, &r.name,
		&r.kind, &r.payload, &r.audience, &r.pinned, &r.editedAt, &r.deletedAt, &r.crc}
}

func (r *messageRow) values() []any {
	return []any{r.meeting, r.seq, r.pub, r.at, r.id, r.session, r.author, r.peer, r.name,
		r.kind, r.payload, r.audience, r.pinned, r.editedAt, r.deletedAt, r.crc}
}

func (r *messageRow) sum() int64 {
	var few [1024]byte // most rows fit, and cost no memory then
	c := checksum{buf: few[:0]}
	return c.num(r.meeting, r.seq, r.pub, r.at).text(r.id, r.session, r.author, r.peer, r.name).
		num(r.kind).text(r.payload, r.audience).num(r.pinned, r.editedAt, r.deletedAt).sum()
}

func (r *messageRow) intact() bool { return r.crc == r.sum() }

// set takes over the message as it stands now.
func (r *messageRow) set(m *chat.Message) {
	r.id, r.session, r.author, r.peer = string(m.ID), string(m.Session), string(m.Author), string(m.Peer)
	r.name, r.payload, r.kind = m.DisplayName, m.Content.Payload, int64(m.Content.Kind)
	r.audience = joinIDs(m.Audience)
	r.pinned, r.editedAt, r.deletedAt = 0, m.EditedAt, m.DeletedAt
	if m.Pinned {
		r.pinned = 1
	}
	r.crc = r.sum()
}

func (r *messageRow) message(meeting chat.MeetingID) chat.Message {
	return chat.Message{
		ID: chat.MessageID(r.id), Meeting: meeting, Session: chat.SessionID(r.session), Seq: uint64(r.seq),
		Author: chat.ParticipantID(r.author), Peer: chat.PeerID(r.peer), DisplayName: r.name,
		Content: chat.Content{Kind: chat.Kind(r.kind), Payload: r.payload}, Audience: splitIDs(r.audience),
		SentAt: r.at, Pinned: r.pinned != 0, EditedAt: r.editedAt, DeletedAt: r.deletedAt,
	}
}

// changeRow is a row of changes.
type changeRow struct {
	meeting, seq, pub, at, kind, target int64
	actor, peer, before                 string
	crc                                 int64
}

const changeColumns = `c.meeting, c.seq, c.pub, c.at, c.kind, c.target, c.actor, c.peer, c.before, c.crc`

func (r *changeRow) dest() []any {
	return []any{&r.meeting, &r.seq, &r.pub, &r.at, &r.kind, &r.target, &r.actor, &r.peer, &r.before, &r.crc}
}

func (r *changeRow) values() []any {
	return []any{r.meeting, r.seq, r.pub, r.at, r.kind, r.target, r.actor, r.peer, r.before, r.crc}
}

func (r *changeRow) sum() int64 {
	c := checksum{buf: make([]byte, 0, 160+len(r.before))}
	return c.num(r.meeting, r.seq, r.pub, r.at, r.kind, r.target).text(r.actor, r.peer, r.before).sum()
}

func (r *changeRow) intact() bool { return r.crc == r.sum() }

// Audiences are stored as ids joined by spaces; participant ids have none.
func joinIDs(ids []chat.ParticipantID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	return strings.Join(texts, " ")
}

func splitIDs(joined string) []chat.ParticipantID {
	if joined == "" {
		return nil
	}
	texts := strings.Split(joined, " ")
	ids := make([]chat.ParticipantID, len(texts))
	for i, t := range texts {
		ids[i] = chat.ParticipantID(t)
	}
	return ids
}
