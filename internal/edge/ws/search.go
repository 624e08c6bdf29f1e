package ws

import (
	"context"
	"strings"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// Bounds of a search. It reads messages until it has enough of them or has
// looked at maxSearched, so what it costs does not depend on the meeting.
const (
	maxSearchTerm = 256 // bytes
	maxSearched   = 5 * journal.MaxPage
	// defaultFound is how many messages a search gives that names no number.
	defaultFound = 75
	maxFound     = 200
)

// search finds, among the newest messages that the viewer may see up to a time,
// or the oldest from it on, the texts that contain the term, whatever its case.
// Clients up to 1.2.3 ask; later ones refuse by themselves.
func (p *peer) search(ctx context.Context, req request) error {
	var m rtkwire.SearchRequest
	if err := req.read(&m); err != nil {
		return err
	}
	term := journal.Fold(m.GetSearchTerm())
	switch {
	case m.GetChannelId() != "":
		return chat.Refuse(chat.NotFound, noChannels)
	case strings.TrimSpace(term) == "" || len(m.GetSearchTerm()) > maxSearchTerm:
		return chat.Refuse(chat.Invalid, "what to search for has 1 to %d bytes", maxSearchTerm).Beyond("search_length")
	}
	if err := p.rates.takeFind(); err != nil {
		return err
	}
	query, err := p.query(ctx)
	if err != nil {
		return err
	}
	query.Filter, query.Limit = journal.Everything, journal.MaxPage
	query.Time, query.Backward = int64(min(m.GetTimeStamp(), 1<<53)), m.GetReversed()
	want := int(m.GetSize())
	if want <= 0 {
		want = defaultFound
	}
	found, err := p.find(ctx, query, term, min(want, maxFound))
	if err != nil {
		return err
	}
	messages, _ := p.server.Codec.pageOf(found)
	return p.answer(req, &rtkwire.ChatMessages{Messages: messages})
}

// find goes through the pages of a query, in its order.
func (p *peer) find(ctx context.Context, query journal.Query, term string, want int) ([]chat.Message, error) {
	var found []chat.Message
	for range maxSearched / journal.MaxPage {
		page, err := p.server.Journal.Page(ctx, query)
		if err != nil {
			return nil, err
		}
		for i := range page.Messages {
			m := &page.Messages[i]
			if m.Content.Kind == chat.Text && strings.Contains(journal.Fold(m.Content.Payload), term) {
				if found = append(found, *m); len(found) == want {
					return found, nil
				}
			}
		}
		if !page.More || len(page.Messages) == 0 {
			break
		}
		last := page.Messages[len(page.Messages)-1].SentAt
		if query.Time = last + 1; query.Backward {
			query.Time = last - 1
		}
	}
	return found, nil
}
