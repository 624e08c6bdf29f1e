package sqlite

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley/internal/chat"
)

// This file checks what stands beside the journals: stores, and what is told to
// webhooks and made into files. Foreign keys are looked at elsewhere.

// stores checks that what apps share is what was written, belongs to sessions
// that live, and is counted right.
func (v *verifier) stores(ctx context.Context, q *look) error {
	if err := each(ctx, q, `SELECT `+itemColumns+`, COALESCE(m.id, ''), s.ended_at IS NOT NULL FROM store_items i
		LEFT JOIN sessions s ON s.id = i.session LEFT JOIN meetings m ON m.no = s.meeting`, nil, func(scan scanner) error {
		v.census.StoreItems++
		var r itemRow
		var meeting chat.MeetingID
		var ended bool
		if err := scan(append(r.dest(), &meeting, &ended)...); err != nil {
			return err
		}
		if r.crc != r.sum() {
			v.Found(Finding{Code: DamagedChecksum, Meeting: meeting, Detail: "the checksum of a key of a store is wrong"})
		}
		if ended {
			v.Found(Finding{Code: DamagedStore, Meeting: meeting, Detail: "a store is there whose session has ended"})
		}
		return nil
	}); err != nil {
		return err
	}
	// Each session that has keys or totals, once.
	return each(ctx, q, `SELECT COALESCE(m.id, '') FROM (
			SELECT session, SUM(keys) AS keys, SUM(bytes) AS bytes, SUM(deleted) AS deleted, MAX(newest) AS newest, MAX(last_at) AS last_at FROM (
				SELECT session, COUNT(value) AS keys, COUNT(*) - COUNT(value) AS deleted, MAX(at) AS newest, 0 AS last_at,
					SUM(CASE WHEN value IS NULL THEN 0 ELSE octet_length(store) + octet_length(key) + length(value) END) AS bytes
				FROM store_items GROUP BY session
				UNION ALL SELECT session, -keys, -deleted, 0, last_at, -bytes FROM store_totals
			) GROUP BY session
		) t LEFT JOIN sessions s ON s.id = t.session LEFT JOIN meetings m ON m.no = s.meeting
		WHERE t.keys <> 0 OR t.bytes <> 0 OR t.deleted <> 0 OR t.newest > t.last_at`, nil, func(scan scanner) error {
		f := Finding{Code: DamagedStore, Detail: "the stores of a meeting are not counted right"}
		if err := scan(&f.Meeting); err != nil {
			return err
		}
		v.Found(f)
		return nil
	})
}

// told checks that what waits to be told, or was made of a session, is of
// something that exists.
func (v *verifier) told(ctx context.Context, q *look) error {
	if err := q.row(ctx, `SELECT count(*) FROM deliveries`, nil, &v.census.Deliveries); err != nil {
		return err
	}
	for _, check := range []struct{ code, query, detail string }{
		{
			DamagedWebhook, `SELECT count(*) FROM deliveries d WHERE d.due_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM webhooks WHERE id = d.webhook)`,
			"%d deliveries wait for a webhook that does not exist",
		},
		{
			DamagedExport, `SELECT count(*) FROM dumps d WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE id = d.session)`,
			"%d files were made of a session that does not exist",
		},
		{DamagedExport, `SELECT count(*) FROM dumps WHERE key = '' OR size < 0 OR revision < 0`, "%d files do not say what their bytes are"},
		{
			DamagedExport, `SELECT count(*) FROM ended_sessions e WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE id = e.session AND ended_at IS NOT NULL)`,
			"the chat of %d sessions is to be made ready that have not ended",
		},
	} {
		var n int64
		if err := q.row(ctx, check.query, nil, &n); err != nil {
			return err
		}
		if n > 0 {
			v.Found(Finding{Code: check.code, Detail: fmt.Sprintf(check.detail, n)})
		}
	}
	return nil
}
