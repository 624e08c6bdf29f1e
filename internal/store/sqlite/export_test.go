package sqlite

import (
	"context"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/follow/webhook"
)

// Waiting tells how many jobs wait for the writer.
func (db *DB) Waiting() int { return db.writer.Waiting() }

// SubmitEnd is End for a test that wants its place in the order of what is
// submitted.
func (db *DB) SubmitEnd(now time.Time, done func(error)) error {
	return db.submit(db.writer.Submit, func(tx *Tx) error {
		_, err := tx.end(now)
		return err
	}, done)
}

// TellWebhooks is what a transaction does that makes an event happen.
func (db *DB) TellWebhooks(ctx context.Context, app chat.AppID, event webhook.Event, at time.Time, body string) error {
	return db.update(ctx, func(tx *Tx) error {
		return tx.tellWebhooks(app, event, at.UnixMilli(), func() ([]byte, error) { return []byte(body), nil })
	})
}

// PlaceQuery is how private entries are found in mailboxes.
const PlaceQuery = placeQuery
