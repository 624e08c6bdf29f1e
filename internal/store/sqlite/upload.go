package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/upload"
)

// This file keeps uploads for package upload. What an append needs of them is
// in append.go. A job looks before it writes, so that a refusal costs the
// others in its transaction nothing.

// CreateUpload implements upload.Store.
func (db *DB) CreateUpload(ctx context.Context, u upload.Upload, maxUnused int) error {
	return uploadError("storing an upload", db.update(ctx, func(tx *Tx) error {
		h, err := tx.Head(u.Meeting)
		if errors.Is(err, journal.ErrNoMeeting) {
			return upload.ErrNotFound
		}
		if err != nil {
			return err
		}
		owner, err := tx.Participant(u.Meeting, u.Owner)
		if err != nil {
			return err
		}
		if owner == nil {
			return upload.ErrNotFound
		}
		var unused int
		if _, err := tx.row(`SELECT count(*) FROM uploads WHERE participant = ? AND attached_at IS NULL`,
			[]any{string(u.Owner)}, &unused); err != nil {
			return err
		}
		if unused >= maxUnused {
			return upload.ErrTooMany
		}
		_, err = tx.exec(`INSERT INTO uploads (id, meeting, participant, name, max_size, expires_at, created_at)
			VALUES (?, ?, ?, ?, ?, ?, ?)`,
			string(u.ID), h.No, string(u.Owner), u.Name, u.MaxSize, u.ExpiresAt.UnixMilli(), u.CreatedAt.UnixMilli())
		return err
	}))
}

// FindUpload implements upload.Store.
func (db *DB) FindUpload(ctx context.Context, id chat.UploadID) (upload.Upload, error) {
	u := upload.Upload{ID: id}
	var expires, created int64
	var key sql.NullString
	var size sql.NullInt64
	var sum []byte
	var mediaType string
	err := db.queryRow(ctx, `SELECT m.id, u.participant, u.name, u.max_size, u.expires_at, u.created_at,
		u.blob, u.size, u.sha256, u.media_type, u.attached_at IS NOT NULL
		FROM uploads u JOIN meetings m ON m.no = u.meeting WHERE u.id = ?`, []any{string(id)},
		&u.Meeting, &u.Owner, &u.Name, &u.MaxSize, &expires, &created, &key, &size, &sum, &mediaType, &u.Attached)
	if errors.Is(err, sql.ErrNoRows) {
		return upload.Upload{}, upload.ErrNotFound
	}
	if err != nil {
		return upload.Upload{}, uploadError("reading an upload", classify(err))
	}
	u.ExpiresAt, u.CreatedAt = time.UnixMilli(expires), time.UnixMilli(created)
	if key.Valid {
		u.Bytes = &upload.Bytes{Key: key.String, Size: size.Int64, MediaType: mediaType}
		if copy(u.Bytes.SHA256[:], sum) != len(u.Bytes.SHA256) {
			return upload.Upload{}, fmt.Errorf("the checksum of upload %s: %w", id, journal.ErrDamaged)
		}
	}
	return u, nil
}

// takesBytes gives the key of the bytes an upload has, "" for none, or why it
// takes no others.
func (tx *Tx) takesBytes(id chat.UploadID) (string, error) {
	var key string
	var attached bool
	found, err := tx.row(`SELECT COALESCE(blob, ''), attached_at IS NOT NULL FROM uploads WHERE id = ?`,
		[]any{string(id)}, &key, &attached)
	switch {
	case err != nil:
		return "", err
	case !found:
		return "", upload.ErrNotFound
	case attached:
		return "", upload.ErrAttached
	}
	return key, nil
}

// BeginPut implements upload.Store.
func (db *DB) BeginPut(ctx context.Context, id chat.UploadID, key string, due time.Time) error {
	return uploadError("beginning an upload", db.update(ctx, func(tx *Tx) error {
		if _, err := tx.takesBytes(id); err != nil {
			return err
		}
		return tx.loosen(key, due)
	}))
}

// loosen puts a key on the list of loose blobs.
func (tx *Tx) loosen(key string, due time.Time) error {
	_, err := tx.exec(`INSERT INTO loose_blobs (key, due_at) VALUES (?, ?)`, key, due.UnixMilli())
	return err
}

// CompletePut implements upload.Store.
func (db *DB) CompletePut(ctx context.Context, id chat.UploadID, b upload.Bytes, now time.Time) (string, error) {
	var replaced string
	err := db.update(ctx, func(tx *Tx) error {
		var err error
		replaced, err = tx.completePut(id, b, now)
		return err
	})
	if err != nil {
		// replaced is not to be looked at: the job may still be running.
		return "", uploadError("completing an upload", err)
	}
	return replaced, nil
}

func (tx *Tx) completePut(id chat.UploadID, b upload.Bytes, now time.Time) (string, error) {
	before, err := tx.takesBytes(id)
	if err != nil {
		return "", err
	}
	var one int
	switch listed, err := tx.row(`SELECT 1 FROM loose_blobs WHERE key = ?`, []any{b.Key}, &one); {
	case err != nil:
		return "", err
	case !listed:
		return "", upload.ErrCollected
	}
	if _, err := tx.exec(`DELETE FROM loose_blobs WHERE key = ?`, b.Key); err != nil {
		return "", err
	}
	if before != "" {
		if err := tx.loosen(before, now); err != nil {
			return "", err
		}
	}
	_, err = tx.exec(`UPDATE uploads SET blob = ?, size = ?, sha256 = ?, media_type = ? WHERE id = ?`,
		b.Key, b.Size, b.SHA256[:], b.MediaType, string(id))
	return before, err
}

// expiredUploads chooses the uploads that a DropUploads deletes: the same in
// both of its statements.
const expiredUploads = `SELECT id FROM uploads WHERE attached_at IS NULL AND expires_at < ? ORDER BY expires_at, id LIMIT ?`

// DropUploads implements upload.Store.
func (db *DB) DropUploads(ctx context.Context, expired, now time.Time, limit int) (int, error) {
	var dropped int64
	err := db.updateBehind(ctx, func(tx *Tx) error {
		if _, err := tx.exec(`INSERT INTO loose_blobs (key, due_at)
			SELECT blob, ? FROM uploads WHERE blob IS NOT NULL AND id IN (`+expiredUploads+`)`,
			now.UnixMilli(), expired.UnixMilli(), limit); err != nil {
			return err
		}
		var err error
		dropped, err = tx.exec(`DELETE FROM uploads WHERE id IN (`+expiredUploads+`)`, expired.UnixMilli(), limit)
		return err
	})
	if err != nil {
		return 0, uploadError("dropping uploads", err)
	}
	return int(dropped), nil
}

// LooseBlobs implements upload.Store.
func (db *DB) LooseBlobs(ctx context.Context, now time.Time, limit int) ([]string, error) {
	rows, err := db.query(ctx, `SELECT key FROM loose_blobs WHERE due_at <= ? ORDER BY due_at LIMIT ?`, now.UnixMilli(), limit)
	if err != nil {
		return nil, uploadError("listing loose blobs", classify(err))
	}
	defer rows.Close()
	var keys []string
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, uploadError("listing loose blobs", classify(err))
		}
		keys = append(keys, key)
	}
	if err := rows.Err(); err != nil {
		return nil, uploadError("listing loose blobs", classify(err))
	}
	return keys, nil
}

// ForgetBlobs implements upload.Store.
func (db *DB) ForgetBlobs(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	return uploadError("forgetting loose blobs", db.updateBehind(ctx, func(tx *Tx) error {
		for _, key := range keys {
			if _, err := tx.exec(`DELETE FROM loose_blobs WHERE key = ?`, key); err != nil {
				return err
			}
		}
		return nil
	}))
}

// uploadError says what was attempted, and turns the errors of the store into
// those of package upload.
func uploadError(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrFull):
		return fmt.Errorf("%s: %w: %w", doing, upload.ErrFull, err)
	case errors.Is(err, journal.ErrBusy):
		return fmt.Errorf("%s: %w: %w", doing, upload.ErrBusy, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
