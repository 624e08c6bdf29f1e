package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gofrs/uuid/v5"
	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/server"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// Meeting is one with its people.
type Meeting struct {
	ID     chat.MeetingID
	People []Person
}

// Person is somebody who may join.
type Person struct {
	ID    chat.ParticipantID
	Token string
}

// PublicURL is what the servers take for their address.
const PublicURL = "http://localhost"

// SetUp makes meetings with people in a fresh data directory.
func SetUp(ctx context.Context, dir string, meetings, people int) (made []Meeting, err error) {
	s, err := server.New(ctx, server.Config{
		Dir: dir, PublicURL: PublicURL, ICEAddr: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	app, err := s.Directory.CreateApp(ctx, "bench", "bench")
	if err != nil {
		return nil, err
	}
	made = make([]Meeting, meetings)
	adding, ctx := errgroup.WithContext(ctx)
	adding.SetLimit(64) // so that they share transactions
	for i := range made {
		m, err := s.Directory.CreateMeeting(ctx, app.ID, directory.NewMeeting{Title: "Storm", PersistChat: true})
		if err != nil {
			return nil, err
		}
		made[i] = Meeting{ID: m.ID, People: make([]Person, people)}
		for k := range people {
			adding.Go(func() (err error) {
				made[i].People[k], err = invite(ctx, s, app.ID, m.ID, k)
				return err
			})
		}
	}
	return made, adding.Wait()
}

func invite(ctx context.Context, s *server.Server, app chat.AppID, meeting chat.MeetingID, n int) (Person, error) {
	p, err := s.Directory.AddParticipant(ctx, app, meeting, directory.NewParticipant{
		CustomID: fmt.Sprint("person-", n), Name: fmt.Sprint("Person ", n), PresetName: "group_call_host",
	})
	if err != nil {
		return Person{}, err
	}
	token, err := s.Tokens.Mint(auth.Identity{App: app, Meeting: meeting, Participant: p.ID}, p.Preset)
	return Person{p.ID, token}, err
}

// Filler begins each message that is stored beforehand.
const Filler = "What was said in this meeting before the storm came, message "

// fillBatch is how many messages are stored by one transaction.
const fillBatch = 2000

// Fill stores messages in each meeting, as the journal does but many in one
// job: what is measured comes afterwards.
func Fill(ctx context.Context, dir string, meetings []Meeting, each int) (err error) {
	db, err := sqlite.Open(ctx, sqlite.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, m := range meetings {
		author := m.People[0].ID
		live, err := db.Enter(ctx, session.Arrival{
			Meeting: m.ID, Peer: chat.PeerID(NewID()), Participant: author, DisplayName: "Person 0",
		}, chat.SessionID(NewID()), time.Now())
		if err != nil {
			return err
		}
		for left := each; left > 0; left -= fillBatch {
			if err := fillSome(ctx, db, m.ID, live.ID, author, min(left, fillBatch)); err != nil {
				return err
			}
		}
	}
	return nil
}

func fillSome(ctx context.Context, db *sqlite.DB, meeting chat.MeetingID, live chat.SessionID, author chat.ParticipantID, n int) error {
	done := make(chan error, 1)
	err := db.Update(func(tx journal.Tx) error {
		head, err := tx.Head(meeting)
		if err != nil {
			return err
		}
		now := time.Now().UnixMilli()
		for range n {
			at := max(head.At+1, now-int64(time.Hour/time.Millisecond))
			m := chat.Message{
				ID: chat.MessageID(NewID()), Meeting: meeting, Session: live, Seq: head.Seq + 1, Author: author,
				Peer: "0", DisplayName: "Person 0", SentAt: at,
				Content: chat.Content{Payload: Filler + fmt.Sprint(head.Seq+1)},
			}
			e := journal.Entry{
				Meeting: meeting, Seq: head.Seq + 1, Pub: head.Pub + 1, At: at,
				Event: chat.Event{Kind: chat.MessageSent, Message: m, Actor: author, Peer: m.Peer},
			}
			if err := tx.Put(head, &e); err != nil {
				return err
			}
		}
		return nil
	}, func(err error) { done <- err })
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// NewID makes an id.
func NewID() string { return uuid.Must(uuid.NewV4()).String() }
