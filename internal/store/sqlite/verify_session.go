package sqlite

import (
	"context"
	"database/sql"
)

// sessions checks sessions and their peers.
func (v *verifier) sessions(ctx context.Context, q *look) error {
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
	if err := v.peers(ctx, q); err != nil {
		return err
	}
	return v.attendance(ctx, q)
}

// attendance checks what sessions and peers count against what they count.
func (v *verifier) attendance(ctx context.Context, q *look) error {
	if err := each(ctx, q, `SELECT m.id FROM sessions s JOIN meetings m ON m.no = s.meeting
		LEFT JOIN (SELECT session, COUNT(*) AS peers, COUNT(*) - COUNT(left_at) AS live, SUM(spent) AS spent,
			SUM(CASE WHEN left_at IS NULL THEN since ELSE 0 END) AS since FROM peers GROUP BY session) p ON p.session = s.id
		WHERE (s.peers, s.live, s.spent, s.since) IS NOT
			(COALESCE(p.peers, 0), COALESCE(p.live, 0), COALESCE(p.spent, 0), COALESCE(p.since, 0)) OR s.most < s.live`, nil,
		func(scan scanner) error {
			f := Finding{Code: DamagedSession, Detail: "a session does not count its peers right"}
			if err := scan(&f.Meeting); err != nil {
				return err
			}
			v.Found(f)
			return nil
		}); err != nil {
		return err
	}
	return each(ctx, q, `SELECT m.id FROM peers p JOIN sessions s ON s.id = p.session JOIN meetings m ON m.no = s.meeting
		WHERE p.events <> (SELECT COUNT(*) FROM peer_events WHERE session = p.session AND peer = p.id)`, nil, func(scan scanner) error {
		f := Finding{Code: DamagedSession, Detail: "a peer's comings and goings are not all there"}
		if err := scan(&f.Meeting); err != nil {
			return err
		}
		v.Found(f)
		return nil
	})
}

// peers checks that no peer is said to have read what was never written.
func (v *verifier) peers(ctx context.Context, q *look) error {
	if err := q.row(ctx, `SELECT count(*) FROM peers`, nil, &v.census.Peers); err != nil {
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
func (v *verifier) uploads(ctx context.Context, q *look) error {
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
