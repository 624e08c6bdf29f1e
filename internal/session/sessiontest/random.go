package sessiontest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/session"
)

// model is what a meeting's sessions should be, in a page of memory.
type model struct {
	sessions []*modelSession
	live     *modelSession
	out      map[chat.PeerID]error // who does not come back, and why
}

type modelSession struct {
	session.Record
	due   time.Time // zero while somebody is there
	peers map[chat.PeerID]*session.Peer
	since map[chat.PeerID]time.Time // of those who are there
}

func (m *model) enter(s session.Session, a chat.Actor, preset string, now time.Time) {
	if m.live == nil {
		m.live = &modelSession{
			Record: session.Record{ID: s.ID, StartedAt: now},
			peers:  make(map[chat.PeerID]*session.Peer), since: make(map[chat.PeerID]time.Time),
		}
		m.sessions = append(m.sessions, m.live)
	}
	l := m.live
	p := l.peers[a.Peer]
	if p == nil {
		p = &session.Peer{
			ID: a.Peer, Participant: a.Participant, CustomID: "custom-" + a.DisplayName, DisplayName: a.DisplayName,
			PresetName: preset, JoinedAt: now,
		}
		l.peers[a.Peer] = p
		l.Peers++
	}
	if _, here := l.since[a.Peer]; here {
		return
	}
	l.due, l.since[a.Peer], p.LeftAt = time.Time{}, now, time.Time{}
	l.Live++
	l.Most = max(l.Most, l.Live)
	p.Events = append(p.Events, session.PeerEvent{
		No: len(p.Events) + 1, Kind: session.Joined, At: now, DisplayName: p.DisplayName, PresetName: p.PresetName,
	})
}

// depart takes a peer out, and true if it was there.
func (m *model) depart(id chat.PeerID, kind session.EventKind, now time.Time) bool {
	l := m.live
	if l == nil {
		return false
	}
	since, here := l.since[id]
	if !here {
		return false
	}
	p := l.peers[id]
	delete(l.since, id)
	p.LeftAt, p.Kicked = now, kind == session.Kicked
	p.Spent += now.Sub(since)
	l.Spent += now.Sub(since)
	l.Live--
	p.Events = append(p.Events, session.PeerEvent{
		No: len(p.Events) + 1, Kind: kind, At: now, DisplayName: p.DisplayName, PresetName: p.PresetName,
	})
	if l.Live == 0 {
		l.due = now.Add(keepAlive)
	}
	return true
}

func (m *model) end(at time.Time) {
	m.live.EndedAt, m.live = at, nil
}

// overdue ends the live session if its time has come.
func (m *model) overdue(now time.Time) {
	if m.live != nil && !m.live.due.IsZero() && !m.live.due.After(now) {
		m.end(m.live.due)
	}
}

// anyLifeWithCrashes lets things happen at random, in a server that dies after
// any of them, and compares with the model after each. PARLEY_SEED names a
// life, PARLEY_SOAK makes many.
func anyLifeWithCrashes(t *testing.T, w *world) {
	lives, steps := 2, 60
	if os.Getenv("PARLEY_SOAK") != "" {
		lives, steps = 40, 300
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("PARLEY_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		w.must(err)
	}
	for range lives {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			l := &life{world: w, random: rand.New(rand.NewPCG(seed, 0)), model: &model{out: make(map[chat.PeerID]error)}}
			l.T = t
			l.live(steps)
		})
		w.T = t
		seed++
	}
}

// life is one meeting in a world.
type life struct {
	*world
	random *rand.Rand
	model  *model
	people []chat.Actor
	tabs   []chat.Actor
}

func (l *life) live(steps int) {
	l.meeting = l.newMeeting("Life")
	for i := range 3 {
		l.people = append(l.people, l.add(fmt.Sprint("p", i), host))
	}
	l.tabs = append(l.tabs, l.people...)
	for range steps {
		what := l.step()
		l.compare(what)
		if l.random.IntN(8) == 0 {
			l.crash()
			l.compare(what + ", and a crash")
		}
	}
}

func (l *life) step() string {
	l.Helper()
	now, who := l.now(), l.tabs[l.random.IntN(len(l.tabs))]
	switch n := l.random.IntN(100); {
	case n < 10:
		who = l.tab(l.people[l.random.IntN(len(l.people))])
		l.tabs = append(l.tabs, who)
		fallthrough
	case n < 35:
		s, err := l.tryEnter(who)
		if want := l.model.out[who.Peer]; want != nil {
			if chat.CodeOf(err) != chat.Forbidden {
				l.Fatalf("%s, who was sent out, got %v, want %v", who.Peer, err, want)
			}
			return "a refused join"
		}
		l.must(err)
		l.model.overdue(now)
		l.model.enter(s, who, host, now)
		return "a join"
	case n < 65:
		if l.model.live == nil {
			return "nothing"
		}
		l.must(l.engine.Left(l.Context(), l.model.live.ID, who.Peer))
		l.model.depart(who.Peer, session.Left, now)
		return "a leaving"
	case n < 75:
		if l.model.live == nil || l.model.live.peers[who.Peer] == nil {
			return "nothing"
		}
		_, err := l.kick(session.Kick{Meeting: l.meeting, Peers: peersOf(who)})
		l.must(err)
		if l.model.depart(who.Peer, session.Kicked, now) {
			l.model.out[who.Peer] = chat.ErrKicked
		}
		return "a kick"
	case n < 78:
		l.endForAll(now)
		return "an end for all"
	case n < 88:
		l.end()
		l.model.overdue(now)
		return "a look at what is due"
	default:
		l.advance(time.Duration(l.random.Int64N(int64(2 * keepAlive))))
		return "time passing"
	}
}

func (l *life) endForAll(now time.Time) {
	l.Helper()
	_, err := l.kickAll(nil)
	live := l.model.live
	if live == nil {
		l.wantRefused(err, chat.NotFound)
		return
	}
	l.must(err)
	for _, a := range l.tabs {
		if l.model.depart(a.Peer, session.Kicked, now) {
			l.model.out[a.Peer] = chat.ErrEnded
			live.due = time.Time{}
		}
	}
	at := now
	if !live.due.IsZero() && live.due.Before(now) {
		at = live.due
	}
	l.model.end(at)
}

// compare looks at everything that is kept.
func (l *life) compare(after string) {
	l.Helper()
	now := l.now()
	for _, want := range l.model.sessions {
		got, err := l.engine.Session(l.Context(), l.app, want.ID)
		l.must(err)
		expected := want.Record
		expected.App, expected.Meeting, expected.Title = l.app, l.meeting, "Life"
		for _, since := range want.since {
			expected.Spent += now.Sub(since)
		}
		if got != expected {
			l.Fatalf("after %s the session is\n%+v\nwant\n%+v", after, got, expected)
		}
		if want != l.model.live && want.EndedAt.Add(2*keepAlive).Before(now) {
			continue // it was compared after its end
		}
		for id, p := range want.peers {
			got, err := l.engine.SessionPeer(l.Context(), l.app, want.ID, id)
			l.must(err)
			expected := *p
			if since, here := want.since[id]; here {
				expected.Spent += now.Sub(since)
			}
			if !reflect.DeepEqual(got, expected) {
				l.Fatalf("after %s the peer is\n%+v\nwant\n%+v", after, got, expected)
			}
		}
	}
	active, err := l.engine.Active(l.Context(), l.app, l.meeting)
	switch {
	case l.model.live == nil && err == nil:
		l.Fatalf("after %s there is the live session %s, want none", after, active.ID)
	case l.model.live != nil && active.ID != l.model.live.ID:
		l.Fatalf("after %s the live session is %s (%v), want %s", after, active.ID, err, l.model.live.ID)
	}
}
