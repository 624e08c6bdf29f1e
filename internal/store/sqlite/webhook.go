package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/follow/webhook"
)

// This file keeps webhooks and what is on its way to them.

const webhookColumns = `w.id, w.app, w.name, w.url, w.events, w.enabled, w.created_at, w.updated_at`

type webhookRow struct {
	id, app, name, url, events string
	enabled                    bool
	created, updated           int64
}

func (r *webhookRow) dest() []any {
	return []any{&r.id, &r.app, &r.name, &r.url, &r.events, &r.enabled, &r.created, &r.updated}
}

func (r *webhookRow) value() (webhook.Webhook, error) {
	w := webhook.Webhook{
		ID: webhook.ID(r.id), App: chat.AppID(r.app), Name: r.name, URL: r.url, Enabled: r.enabled,
		CreatedAt: fromMilli(r.created), UpdatedAt: fromMilli(r.updated),
	}
	for name := range strings.FieldsSeq(r.events) {
		w.Events = append(w.Events, webhook.Event(name))
	}
	return w, nil
}

func joinEvents(events []webhook.Event) string {
	texts := make([]string, len(events))
	for i, e := range events {
		texts[i] = string(e)
	}
	return strings.Join(texts, " ")
}

// PutWebhook implements webhook.Store.
func (db *DB) PutWebhook(ctx context.Context, w webhook.Webhook) error {
	return db.update(ctx, func(tx *Tx) error {
		tx.about("webhook", string(w.ID))
		if err := tx.mustFindApp(w.App); err != nil {
			return err
		}
		var count int
		if _, err := tx.row(`SELECT COUNT(*) FROM webhooks WHERE app = ?`, []any{string(w.App)}, &count); err != nil {
			return err
		}
		if count >= webhook.MaxPerApp {
			return webhook.ErrTooMany
		}
		_, err := tx.exec(`INSERT INTO webhooks (id, app, name, url, events, enabled, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			string(w.ID), string(w.App), w.Name, w.URL, joinEvents(w.Events), w.Enabled, w.CreatedAt.UnixMilli(), w.UpdatedAt.UnixMilli())
		return err
	})
}

// Webhook implements webhook.Store.
func (db *DB) Webhook(ctx context.Context, app chat.AppID, id webhook.ID) (webhook.Webhook, error) {
	var r webhookRow
	err := db.queryRow(ctx, `SELECT `+webhookColumns+` FROM webhooks w WHERE w.id = ? AND w.app = ?`, []any{string(id), string(app)}, r.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return webhook.Webhook{}, webhook.ErrNotFound
	}
	if err != nil {
		return webhook.Webhook{}, classify(err)
	}
	return r.value()
}

// Webhooks implements webhook.Store.
func (db *DB) Webhooks(ctx context.Context, app chat.AppID) ([]webhook.Webhook, error) {
	rows, err := db.query(ctx, `SELECT `+webhookColumns+` FROM webhooks w WHERE w.app = ? ORDER BY w.created_at, w.id`, string(app))
	if err != nil {
		return nil, classify(err)
	}
	defer rows.Close()
	var all []webhook.Webhook
	for rows.Next() {
		var r webhookRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, classify(err)
		}
		w, _ := r.value() // never fails
		all = append(all, w)
	}
	return all, classify(rows.Err())
}

// ChangeWebhook implements webhook.Store.
func (db *DB) ChangeWebhook(ctx context.Context, app chat.AppID, id webhook.ID, change func(*webhook.Webhook) error) (webhook.Webhook, error) {
	return changed(ctx, db, func(tx *Tx) (webhook.Webhook, error) {
		w, err := tx.webhook(app, id)
		if err != nil {
			return w, err
		}
		if err := change(&w); err != nil {
			return w, err
		}
		_, err = tx.exec(`UPDATE webhooks SET name = ?, url = ?, events = ?, enabled = ?, updated_at = ? WHERE id = ?`,
			w.Name, w.URL, joinEvents(w.Events), w.Enabled, w.UpdatedAt.UnixMilli(), string(id))
		return w, err
	})
}

// DeleteWebhook implements webhook.Store.
func (db *DB) DeleteWebhook(ctx context.Context, app chat.AppID, id webhook.ID) (webhook.Webhook, error) {
	return changed(ctx, db, func(tx *Tx) (webhook.Webhook, error) {
		w, err := tx.webhook(app, id)
		if err != nil {
			return w, err
		}
		if _, err := tx.exec(`DELETE FROM deliveries WHERE webhook = ? AND due_at IS NOT NULL`, string(id)); err != nil {
			return w, err
		}
		_, err = tx.exec(`DELETE FROM webhooks WHERE id = ?`, string(id))
		return w, err
	})
}

func (tx *Tx) webhook(app chat.AppID, id webhook.ID) (webhook.Webhook, error) {
	var r webhookRow
	found, err := tx.row(`SELECT `+webhookColumns+` FROM webhooks w WHERE w.id = ? AND w.app = ?`, []any{string(id), string(app)}, r.dest()...)
	switch {
	case err != nil:
		return webhook.Webhook{}, err
	case !found:
		return webhook.Webhook{}, webhook.ErrNotFound
	}
	return r.value()
}

// tellWebhooks puts a delivery into the queue for each webhook of the app that
// wants to hear of the event. The body is made only if there is one.
func (tx *Tx) tellWebhooks(app chat.AppID, event webhook.Event, at int64, body func() ([]byte, error)) error {
	var ids []string
	err := tx.rowsOf(`SELECT w.id FROM webhooks w WHERE w.app = ? AND w.enabled AND ' ' || w.events || ' ' LIKE ?`,
		[]any{string(app), "% " + string(event) + " %"}, func(scan func(...any) error) error {
			var id string
			if err := scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
			return nil
		})
	if err != nil || len(ids) == 0 {
		return err
	}
	text, err := body()
	if err != nil {
		return tx.fail(err)
	}
	for _, id := range ids {
		delivery, err := uuid.NewV4()
		if err != nil {
			return tx.fail(fmt.Errorf("making an id: %w", err))
		}
		if _, err := tx.exec(`INSERT INTO deliveries (id, webhook, event, body, created_at, due_at) VALUES (?, ?, ?, ?, ?, ?)`,
			delivery.String(), id, string(event), string(text), at, at); err != nil {
			return err
		}
	}
	return nil
}

// Take implements webhook.Queue.
func (db *DB) Take(ctx context.Context, now, until time.Time, limit int) ([]webhook.Delivery, error) {
	due, err := db.anyDue(ctx, now)
	if err != nil || !due {
		return nil, err
	}
	taken, err := changedBehind(ctx, db, func(tx *Tx) ([]webhook.Delivery, error) { return tx.take(now, until, limit) })
	if err != nil {
		return nil, fmt.Errorf("taking deliveries: %w", err)
	}
	return taken, nil
}

// dueWhere goes from webhooks to what is due of each, and never through all
// deliveries: settled ones are kept for a while. CROSS says so to SQLite.
const dueWhere = ` FROM webhooks w CROSS JOIN deliveries d ON d.webhook = w.id
	WHERE w.enabled AND d.due_at <= ? AND NOT EXISTS
		(SELECT 1 FROM deliveries l WHERE l.webhook = w.id AND l.leased_until > 0 AND l.leased_until > ?)`

// anyDue looks without writing: most of the time there is nothing.
func (db *DB) anyDue(ctx context.Context, now time.Time) (bool, error) {
	var due bool
	err := db.queryRow(ctx, `SELECT EXISTS (SELECT 1`+dueWhere+`)`, []any{now.UnixMilli(), now.UnixMilli()}, &due)
	return due, classify(err)
}

func (tx *Tx) take(now, until time.Time, limit int) ([]webhook.Delivery, error) {
	var taken []webhook.Delivery
	err := tx.rowsOf(`SELECT d.id, w.id, w.url, d.event, d.body, d.attempts`+dueWhere+` ORDER BY d.no LIMIT ?`,
		[]any{now.UnixMilli(), now.UnixMilli(), limit}, func(scan func(...any) error) error {
			var d webhook.Delivery
			var body string
			if err := scan(&d.ID, &d.Webhook, &d.URL, &d.Event, &body, &d.Attempts); err != nil {
				return err
			}
			d.Body = []byte(body)
			taken = append(taken, d)
			return nil
		})
	if err != nil {
		return nil, err
	}
	for _, d := range taken {
		if _, err := tx.exec(`UPDATE deliveries SET leased_until = ? WHERE id = ?`, until.UnixMilli(), d.ID); err != nil {
			return nil, err
		}
	}
	return taken, nil
}

// Settle implements webhook.Queue.
func (db *DB) Settle(ctx context.Context, outcomes []webhook.Outcome) error {
	return db.updateBehind(ctx, func(tx *Tx) error {
		for _, o := range outcomes {
			if err := tx.settle(o); err != nil {
				return err
			}
		}
		return nil
	})
}

func (tx *Tx) settle(o webhook.Outcome) error {
	if !o.Tried {
		_, err := tx.exec(`UPDATE deliveries SET leased_until = 0 WHERE id = ?`, o.ID)
		return err
	}
	var due any
	if !o.Next.IsZero() {
		due = o.Next.UnixMilli()
	}
	if _, err := tx.exec(`UPDATE deliveries SET leased_until = 0, attempts = attempts + 1, due_at = ?,
		tried_at = ?, status = ?, reason = ? WHERE id = ?`,
		due, o.At.UnixMilli(), o.Status, o.Reason, o.ID); err != nil {
		return err
	}
	if !o.Gone {
		return nil
	}
	_, err := tx.exec(`UPDATE webhooks SET enabled = 0, updated_at = max(updated_at, ?)
		WHERE id = (SELECT webhook FROM deliveries WHERE id = ?)`, o.At.UnixMilli(), o.ID)
	return err
}

// Forget implements webhook.Queue.
func (db *DB) Forget(ctx context.Context, before time.Time) error {
	const some = 1000
	for {
		n, err := changedBehind(ctx, db, func(tx *Tx) (int64, error) {
			return tx.exec(`DELETE FROM deliveries WHERE no IN (SELECT no FROM deliveries WHERE created_at < ? LIMIT ?)`, before.UnixMilli(), some)
		})
		if err != nil {
			return fmt.Errorf("dropping old deliveries: %w", err)
		}
		if n < some {
			return nil
		}
	}
}

// SigningKey gives the key that signs deliveries, made by fresh when it is
// first asked for and the same ever after.
func (db *DB) SigningKey(ctx context.Context, fresh func() ([]byte, error)) ([]byte, error) {
	const name = "webhooks"
	var secret []byte
	err := db.queryRow(ctx, `SELECT secret FROM keys WHERE name = ?`, []any{name}, &secret)
	if !errors.Is(err, sql.ErrNoRows) {
		return secret, classify(err)
	}
	made, err := fresh()
	if err != nil {
		return nil, err
	}
	return changed(ctx, db, func(tx *Tx) ([]byte, error) {
		var known []byte
		found, err := tx.row(`SELECT secret FROM keys WHERE name = ?`, []any{name}, &known)
		if err != nil || found {
			return known, err
		}
		_, err = tx.exec(`INSERT INTO keys (name, secret, created_at) VALUES (?, ?, ?)`, name, made, db.config.Now().UnixMilli())
		return made, err
	})
}
