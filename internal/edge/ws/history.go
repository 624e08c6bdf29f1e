package ws

import (
	"context"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/room"
)

// reading is what a peer may read at this moment.
type reading struct {
	access directory.Access
	rights chat.Permissions
}

func (p *peer) reading(ctx context.Context) (reading, error) {
	access, err := p.server.access(ctx, p.meeting.ID, p.info.Participant)
	if err != nil {
		return reading{}, err
	}
	rights, err := p.server.rights(access.Preset)
	return reading{access, rights}, err
}

// query begins a query with what the reader may see at this moment.
func (p *peer) query(ctx context.Context) (journal.Query, error) {
	may, err := p.reading(ctx)
	if err != nil {
		return journal.Query{}, err
	}
	return may.query(), nil
}

func (r reading) query() journal.Query {
	return journal.Query{
		Meeting: r.access.Meeting.ID, Viewer: r.access.Participant.ID, Receives: r.rights.Receives(),
	}
}

// getMessages gives the newest messages, from the room's memory where that
// reaches back far enough. The answer replaces what the client knows, so it
// stands exactly where it was taken.
func (p *peer) getMessages(ctx context.Context, req request) error {
	may, err := p.reading(ctx)
	if err != nil {
		return err
	}
	history, err := p.room.History(ctx, p.feed, room.Reader{
		Participant: p.info.Participant, Receives: may.rights.Receives(),
		Meeting: may.access.Meeting.UpdatedAt.UnixMilli(),
	})
	if err != nil {
		return err
	}
	var frame []byte
	messages := history.Messages
	defer func() { history.Slot.Fill(frame, messages...) }()
	if !history.Known {
		query := may.query()
		query.Before, query.Limit = history.Slot.Seq+1, room.HistoryCount
		list, err := p.server.Journal.Newest(ctx, query)
		if err != nil {
			return err
		}
		messages = p.server.Codec.newestOf(list)
	}
	size := 0
	for _, m := range messages {
		size += len(m)
	}
	frame = head(req.event, req.id, size)
	return nil
}
