package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// keySize is the length of the secrets kept here, in bytes.
const keySize = 32

// Key gives the secret of this name, 32 random bytes, made when it is first
// asked for and the same ever after. It is durable before it is given.
func (db *DB) Key(ctx context.Context, name string) ([]byte, error) {
	fresh := make([]byte, keySize)
	// Read never fails: without randomness the process ends.
	_, _ = rand.Read(fresh)
	var secret []byte
	err := db.update(ctx, func(tx *Tx) error {
		found, err := tx.row(`SELECT secret FROM keys WHERE name = ?`, []any{name}, &secret)
		if err != nil || found {
			return err
		}
		secret = fresh
		_, err = tx.exec(`INSERT INTO keys (name, secret, created_at) VALUES (?, ?, ?)`, name, fresh, time.Now().UnixMilli())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("getting key %q: %w", name, err)
	}
	if len(secret) != keySize {
		return nil, fmt.Errorf("key %q has %d bytes, want %d", name, len(secret), keySize)
	}
	return secret, nil
}

// PutAPIToken stores the hash of an API token of an app; it gives
// directory.ErrNotFound where there is no such app.
func (db *DB) PutAPIToken(ctx context.Context, hash []byte, app chat.AppID, name string, at time.Time) error {
	return db.update(ctx, func(tx *Tx) error {
		if err := tx.mustFindApp(app); err != nil {
			return err
		}
		_, err := tx.exec(`INSERT INTO api_tokens (hash, app, name, created_at) VALUES (?, ?, ?, ?)`,
			hash, string(app), name, at.UnixMilli())
		return err
	})
}

// APITokenApp tells which app the token with this hash belongs to; false where
// there is no such token.
func (db *DB) APITokenApp(ctx context.Context, hash []byte) (chat.AppID, bool, error) {
	var app string
	err := db.queryRow(ctx, `SELECT app FROM api_tokens WHERE hash = ?`, []any{hash}, &app)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return chat.AppID(app), err == nil, classify(err)
}
