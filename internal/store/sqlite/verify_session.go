package sqlite

import (
	"context"
	"database/sql"
)

// sessions checks sessions and their peers.
func (v *verifier) sessions(ctx context.Context, q querier) error {
	if err := each(ctx, q, `SELECT m.id, s.id IS NOT NULL, COALESCE(s.meeting = m.no, 0), COALESCE(s.ended_at IS NULL, 0)
		FROM meetings m LEFT JOIN sessions s ON s.id = m.session WHERE m.session IS NOT NULL`, nil, func(scan scanner) error {
		f := Finding{Code: DamagedSession}
		var exists, own, live bool
		if err := scan(&f.Meeting, &exists, &own, &live); err != nil {
			return err
		}
		switch {
		case !exists:
			f.Detail = "the live session of the meeting does not exist"
		case !own:
			f.Detail = "the live session of the meeting is another meeting's"
		case !live:
			f.Detail = "the live session of the meeting has ended"
		default:
			return nil
		}
		v.Found(f)
		return nil
	}); err != nil {
		return err
	}
	if err := each(ctx, q, `SELECT m.id, s.ended_at IS NULL AND m.session IS NOT s.id, s.first_seq > m.last_seq + 1
		FROM sessions s JOIN meetings m ON m.no = s.meeting`, nil, func(scan scanner) error {
		v.census.Sessions++
		f := Finding{Code: DamagedSession}
		var lost, late bool
		if err := scan(&f.Meeting, &lost, &late); err != nil {
			return err
		}
		switch {
		case lost:
			f.Detail = "a session is live that is not the live session of its meeting"
		case late:
			f.Detail = "a session begins after the newest entry of its meeting"
		default:
			return nil
		}
		v.Found(f)
		return nil
	}); err != nil {
		return err
	}
	return v.peers(ctx, q)
}

// peers checks that no peer is said to have read what was never written.
func (v *verifier) peers(ctx context.Context, q querier) error {
	if err := q.QueryRowContext(ctx, `SELECT count(*) FROM peers`).Scan(&v.census.Peers); err != nil {
		return err
	}
	return each(ctx, q, `SELECT m.id, p.seen_seq FROM peers p JOIN sessions s ON s.id = p.session
		JOIN meetings m ON m.no = s.meeting WHERE p.seen_seq > m.last_seq OR p.seen_seq < 0`, nil, func(scan scanner) error {
		f := Finding{Code: DamagedSession, Detail: "a peer is said to have read an entry that does not exist"}
		if err := scan(&f.Meeting, &f.Seq); err != nil {
			return err
		}
		v.Found(f)
		return nil
	})
}

// uploads checks what uploads say about their bytes. The bytes themselves are
// the concern of whoever keeps them.
func (v *verifier) uploads(ctx context.Context, q querier) error {
	return each(ctx, q, `SELECT COALESCE(m.id, ''), u.id, u.blob IS NOT NULL, u.size, length(u.sha256), u.attached_at IS NOT NULL
		FROM uploads u LEFT JOIN meetings m ON m.no = u.meeting`, nil, func(scan scanner) error {
		v.census.Uploads++
		f := Finding{Code: DamagedUpload}
		var id string
		var blob, attached bool
		var size, digest sql.NullInt64
		if err := scan(&f.Meeting, &id, &blob, &size, &digest, &attached); err != nil {
			return err
		}
		switch {
		case blob && (!size.Valid || size.Int64 < 0 || digest.Int64 != 32):
			f.Detail = "upload " + id + " does not say what its bytes are"
		case attached && !blob:
			f.Detail = "a message refers to upload " + id + ", which has no bytes"
		default:
			return nil
		}
		v.Found(f)
		return nil
	})
}
