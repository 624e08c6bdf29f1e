package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // fills the store

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/bench"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/server"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// The figure: 99 of 100 answers to a get, or for the first page of a list.
const listWithin = 5 * time.Millisecond

// lists asks for lists of an app that has much of everything.
type lists struct {
	out                              io.Writer
	meetings, people, rounds, offers int
}

// office is an app and what is needed to ask for what it has.
type office struct {
	app    chat.AppID
	tokens []string
}

// addKey makes a key that may read what an app has.
func addKey(ctx context.Context, dir, app string) (token string, err error) {
	s, err := server.New(ctx, server.Config{
		Dir: dir, PublicURL: bench.PublicURL, ICEAddr: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	_, token, err = s.Keys.Create(ctx, auth.NewAPIKey{App: chat.AppID(app), Name: "bench", Scopes: []auth.Scope{"read"}})
	return token, err
}

// newOffice makes an app with so many keys: each may ask only so much.
func newOffice(ctx context.Context, dir string, keys int) (o office, err error) {
	s, err := server.New(ctx, server.Config{
		Dir: dir, PublicURL: bench.PublicURL, ICEAddr: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	app, err := s.Directory.CreateApp(ctx, account, "bench")
	if err != nil {
		return o, err
	}
	o.app = app.ID
	for range keys {
		_, token, err := s.Keys.Create(ctx, auth.NewAPIKey{App: app.ID, Name: "bench", Scopes: []auth.Scope{"read"}})
		if err != nil {
			return o, err
		}
		o.tokens = append(o.tokens, token)
	}
	return o, nil
}

const account = "bench"

// furnish fills the tables of an app. One session in ten thousand is live.
const furnish = `
INSERT INTO meetings (id, app, title, active, created_at, updated_at, epoch)
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
	SELECT lower(printf('%08x-0000-4000-8000-000000000000', i)), ?1, 'Weekly meeting of team ' || i, i % 20 > 0, 1700000000000 + i, 1700000000000 + i, 'e' FROM n;
INSERT INTO participants (id, meeting, custom_id, name, picture, preset, created_at, updated_at)
	WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?3 - 1)
	SELECT lower(printf('%08x-0000-4000-8000-%012x', m.no, i)), m.no, 'c' || i, 'Person ' || i, '', (SELECT id FROM presets WHERE app = ?1 LIMIT 1), 1700000000000 + i, 0
	FROM meetings m CROSS JOIN n WHERE m.app = ?1;
INSERT INTO sessions (id, meeting, app, first_seq, started_at, ended_at, peers, live, most, spent, since)
	SELECT lower(printf('%08x-0000-4000-8000-ffffffffffff', no)), no, app, 1, created_at, CASE WHEN no % 10000 > 0 THEN created_at + 3600000 END,
	no % 30, no % 10000 = 0, no % 30, (no * 7919) % 3600000, CASE WHEN no % 10000 = 0 THEN created_at ELSE 0 END FROM meetings WHERE app = ?1;
`

func (l *lists) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "parley-lists")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	asked := l.asked()
	o, err := newOffice(ctx, dir, len(asked))
	if err != nil {
		return err
	}
	if err := l.fill(ctx, dir, o.app); err != nil {
		return err
	}
	opening := time.Now()
	p, err := bench.Start(ctx, "serve", dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.End(syscall.SIGTERM)) }()
	_, _ = fmt.Fprintf(l.out, "started in %.0f ms\n", bench.Milliseconds(time.Since(opening)))
	middles, nineties, work := make([][]time.Duration, len(asked)), make([][]time.Duration, len(asked)), make([]time.Duration, len(asked))
	for range l.rounds {
		for i, path := range asked {
			before, err := p.CPU()
			if err != nil {
				return err
			}
			took, err := l.ask(ctx, "http://"+p.Address+"/client/v4/accounts/"+account+"/realtime/kit/"+string(o.app)+path, o.tokens[i])
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			after, err := p.CPU()
			if err != nil {
				return err
			}
			work[i] += after - before
			middles[i], nineties[i] = append(middles[i], bench.Percentile(took, 50)), append(nineties[i], bench.Percentile(took, 99))
		}
	}
	missed := 0
	for i, path := range asked {
		worst := bench.Median(nineties[i])
		mark := ""
		if worst > listWithin {
			mark, missed = " MISSED", missed+1
		}
		_, _ = fmt.Fprintf(l.out, "p50 %6.2f ms  p99 %6.2f ms  CPU %5.2f ms  %s%s\n",
			bench.Milliseconds(bench.Median(middles[i])), bench.Milliseconds(worst), bench.Milliseconds(work[i])/float64(l.rounds*l.offers), path, mark)
	}
	if missed > 0 {
		return fmt.Errorf("%w: %d of %d take more than %v", errMissed, missed, len(asked), listWithin)
	}
	return nil
}

// asked is what is asked for, of the meeting in the middle where of one.
func (l *lists) asked() []string {
	id := fmt.Sprintf("%08x-0000-4000-8000-", l.meetings/2)
	meeting, person, live := id+"000000000000", id+"000000000000", id+"ffffffffffff"
	return []string{
		"/meetings", "/meetings?status=ACTIVE", "/meetings?status=INACTIVE", "/meetings/" + meeting,
		"/meetings/" + meeting + "/participants", "/meetings/" + meeting + "/participants/" + person,
		"/presets", "/sessions", "/sessions?sort_order=ASC", "/sessions?sort_by=minutesConsumed", "/sessions?sort_by=minutesConsumed&sort_order=ASC",
		"/sessions?status=LIVE", "/sessions?status=ENDED", "/sessions?associated_id=" + meeting, "/sessions/" + live, "/webhooks",
	}
}

func (l *lists) fill(ctx context.Context, dir string, app chat.AppID) (err error) {
	began := time.Now()
	db, err := sql.Open("sqlite", "file:"+sqlite.DatabasePath(dir)+"?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, furnish, string(app), l.meetings, l.people/l.meetings); err != nil {
		return fmt.Errorf("filling the store: %w", err)
	}
	_, _ = fmt.Fprintf(l.out, "%d meetings, %d participants, %d sessions stored in %.1f s\n",
		l.meetings, l.people, l.meetings, time.Since(began).Seconds())
	return nil
}

// ask asks again and again, and gives how long each answer took, with the way
// there and back.
func (l *lists) ask(ctx context.Context, url, token string) ([]time.Duration, error) {
	var took []time.Duration
	for range l.offers {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		began := time.Now()
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		took = append(took, time.Since(began))
		if err != nil {
			return nil, err
		}
		if answer.StatusCode != http.StatusOK || !json.Valid(body) {
			return nil, fmt.Errorf("the server answered %s: %s", answer.Status, body)
		}
	}
	return took, nil
}
