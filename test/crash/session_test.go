package crash_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// TestKill9WhilePeersComeAndGo: what is kept of a session counts its peers and
// has their comings and goings, whatever the server was at when it died. In a
// soak it also waits until all sessions have ended, in time.
func TestKill9WhilePeersComeAndGo(t *testing.T) {
	random := seeded(t)
	soak := rounds(1, 0) == 1
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rounds(40, 5))*time.Minute)
	defer cancel()
	w := newWorld(ctx, t, random, t.TempDir())
	for range rounds(30, 2) {
		w.comeAndGo(ctx, func() { w.child.end(ctx, t, syscall.SIGKILL) })
		w.parley(ctx, "verify", w.data)
		w.start(ctx)
	}
	for _, m := range w.meetings {
		for _, p := range m.people {
			w.must(w.look(ctx, p))
		}
	}
	if soak {
		w.awaitEnds(ctx)
	}
	w.child.end(ctx, t, syscall.SIGTERM)
	w.parley(ctx, "verify", w.data)
	if soak {
		w.checkEnds(ctx)
	}
}

// comeAndGo lets everybody join, leave, lose the connection, be kicked and be
// sent out with everybody, at random, until blow has ended the server.
func (w *world) comeAndGo(ctx context.Context, blow func()) {
	w.Helper()
	left := atomic.Int64{}
	left.Store(int64(50 + w.random.IntN(150)))
	moment := make(chan struct{})
	struck := atomic.Bool{}
	var all sync.WaitGroup
	for _, m := range w.meetings {
		for _, p := range m.people {
			random := rand.New(rand.NewPCG(w.random.Uint64(), 0))
			all.Go(func() {
				for {
					err := w.stay(ctx, p, random)
					if struck.Load() {
						return
					}
					if err != nil {
						w.Errorf("before the blow: %v", err)
					}
					if left.Add(-1) == 0 {
						close(moment)
					}
				}
			})
		}
	}
	select {
	case <-moment:
	case <-ctx.Done():
		w.Errorf("the moment does not come: %v", context.Cause(ctx))
	}
	struck.Store(true)
	blow()
	all.Wait()
}

// stay is one visit of a person by a new peer. A session that is ended by
// another cuts it short, which is no fault.
func (w *world) stay(ctx context.Context, p *person, random *rand.Rand) error {
	c, err := peer.Dial(ctx, w.socket(), p.token, peer.Options{Meeting: p.meeting.id})
	if err != nil {
		return err
	}
	var refused *peer.Refused
	if _, err := c.Join(ctx, ""); errors.As(err, &refused) && refused.Text == chat.ErrEnded.Message {
		c.Cut() // it was ended in this very moment
		return nil
	} else if err != nil {
		c.Cut()
		return err
	}
	var present rtkwire.RoomPeers
	if err := c.Request(ctx, protocol.GetRoomPeersInfo, nil, &present); err == nil && len(present.GetPeers()) > 1 {
		switch other := present.GetPeers()[random.IntN(len(present.GetPeers()))]; random.IntN(8) {
		case 0:
			_ = c.Send(ctx, c.NewID(), protocol.KickAll, &rtkwire.KickAll{})
		case 1, 2:
			_ = c.Send(ctx, c.NewID(), protocol.Kick, &rtkwire.KickPeers{PeerIds: []string{other.GetPeerId()}})
		}
	}
	if random.IntN(3) == 0 {
		c.Cut()
		return nil
	}
	c.Leave()
	return nil
}

// look joins and leaves again.
func (w *world) look(ctx context.Context, p *person) error {
	c, err := peer.Dial(ctx, w.socket(), p.token, peer.Options{Meeting: p.meeting.id})
	if err != nil {
		return err
	}
	defer c.Leave()
	_, err = c.Join(ctx, "")
	return err
}

// awaitEnds waits for as long as peers who are not there are waited for after a
// restart, and sessions for them.
func (w *world) awaitEnds(ctx context.Context) {
	w.Helper()
	const grace, keepAlive, spare = 60 * time.Second, 60 * time.Second, 15 * time.Second
	select {
	case <-time.After(grace + keepAlive + spare):
	case <-ctx.Done():
		w.Fatal(context.Cause(ctx))
	}
}

// checkEnds demands that every session has ended, when everybody was sent out
// or one keep-alive after the last had left.
func (w *world) checkEnds(ctx context.Context) {
	w.Helper()
	db := w.copyDatabase()
	defer db.Close()
	var live, wrong, all int
	w.must(db.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(ended_at IS NULL), 0) FROM sessions`).Scan(&all, &live))
	w.must(db.QueryRowContext(ctx, `SELECT COUNT(*) FROM sessions s JOIN meetings m ON m.no = s.meeting
		JOIN (SELECT session, MAX(left_at) AS last, MAX(kicked) AS kicked FROM peers GROUP BY session) p ON p.session = s.id
		WHERE s.ended_at <> p.last + CASE WHEN p.kicked = 2 THEN 0 ELSE 1000 * m.keep_alive END`).Scan(&wrong))
	if all == 0 || live > 0 || wrong > 0 {
		w.Errorf("of %d sessions %d have not ended, and %d at another time than they should", all, live, wrong)
	}
}
