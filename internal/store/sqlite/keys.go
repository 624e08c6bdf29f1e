package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-chat/parley/internal/auth"
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

// PutAPIKey implements auth.APIKeyStore; it gives directory.ErrNotFound where
// there is no such app.
func (db *DB) PutAPIKey(ctx context.Context, hash []byte, key auth.APIKey) error {
	return db.update(ctx, func(tx *Tx) error {
		tx.aboutApp(key.App, "api_key", key.ID)
		if key.App != "" {
			if err := tx.mustFindApp(key.App); err != nil {
				return err
			}
		}
		var count int
		if _, err := tx.row(`SELECT COUNT(*) FROM api_keys WHERE app IS ?`, []any{orNull(string(key.App))}, &count); err != nil {
			return err
		}
		if count >= auth.MaxKeys {
			return auth.ErrTooManyKeys
		}
		_, err := tx.exec(`INSERT INTO api_keys (id, hash, app, name, scopes, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
			key.ID, hash, orNull(string(key.App)), key.Name, joinScopes(key.Scopes), key.CreatedAt.UnixMilli())
		return err
	})
}

// orNull gives NULL for "".
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func joinScopes(scopes []auth.Scope) string {
	texts := make([]string, len(scopes))
	for i, s := range scopes {
		texts[i] = string(s)
	}
	return strings.Join(texts, " ")
}

const columnsOfKeys = `k.id, COALESCE(k.app, ''), k.name, k.scopes, k.created_at`

type apiKeyRow struct {
	id, app, name, scopes string
	created               int64
}

func (r *apiKeyRow) dest() []any { return []any{&r.id, &r.app, &r.name, &r.scopes, &r.created} }

func (r *apiKeyRow) key() auth.APIKey {
	key := auth.APIKey{ID: r.id, App: chat.AppID(r.app), Name: r.name, CreatedAt: fromMilli(r.created)}
	for s := range strings.FieldsSeq(r.scopes) {
		key.Scopes = append(key.Scopes, auth.Scope(s))
	}
	return key
}

// APIKeyByHash implements auth.APIKeyStore.
func (db *DB) APIKeyByHash(ctx context.Context, hash []byte) (auth.APIKey, error) {
	var r apiKeyRow
	err := db.queryRow(ctx, `SELECT `+columnsOfKeys+` FROM api_keys k WHERE k.hash = ?`, []any{hash}, r.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return auth.APIKey{}, auth.ErrNoKey
	}
	if err != nil {
		return auth.APIKey{}, classify(err)
	}
	return r.key(), nil
}

// APIKeys implements auth.APIKeyStore.
func (db *DB) APIKeys(ctx context.Context, app chat.AppID) ([]auth.APIKey, error) {
	rows, err := db.query(ctx, `SELECT `+columnsOfKeys+` FROM api_keys k WHERE ?1 = '' OR k.app = ?1 ORDER BY k.created_at, k.id`, string(app))
	if err != nil {
		return nil, classify(err)
	}
	defer rows.Close()
	var keys []auth.APIKey
	for rows.Next() {
		var r apiKeyRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, classify(err)
		}
		keys = append(keys, r.key())
	}
	return keys, classify(rows.Err())
}

// DropAPIKey implements auth.APIKeyStore.
func (db *DB) DropAPIKey(ctx context.Context, app chat.AppID, id string) (auth.APIKey, error) {
	return changed(ctx, db, func(tx *Tx) (auth.APIKey, error) {
		var r apiKeyRow
		found, err := tx.row(`SELECT `+columnsOfKeys+` FROM api_keys k WHERE k.id = ?1 AND (?2 = '' OR k.app = ?2)`, []any{id, string(app)}, r.dest()...)
		if err != nil {
			return auth.APIKey{}, err
		}
		if !found {
			return auth.APIKey{}, auth.ErrNoKey
		}
		tx.aboutApp(chat.AppID(r.app), "api_key", id)
		_, err = tx.exec(`DELETE FROM api_keys WHERE id = ?`, id)
		return r.key(), err
	})
}
