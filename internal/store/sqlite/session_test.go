package sqlite_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/internal/session"
)

// keepAlive is how long sessions outlive their last peer in these tests.
const keepAlive = 90 * time.Second

// lobby is a store with a meeting in which nobody is yet.
type lobby struct {
	*talk
	ann, bob chat.Actor
}

func newLobby(t *testing.T) *lobby {
	t.Helper()
	tk := newTalk(t, t.TempDir())
	meeting := tk.newMeeting(directory.NewMeeting{KeepAlive: keepAlive})
	return &lobby{tk, tk.add(meeting, "Ann"), tk.add(meeting, "Bob")}
}

func (l *lobby) left(s session.Session, who chat.Actor) {
	l.tb.Helper()
	l.must(l.Left(l.tb.Context(), s.ID, who.Peer))
}

func (l *lobby) wantEnded(want int) {
	l.tb.Helper()
	if got, err := l.End(l.tb.Context(), l.now()); err != nil || got != want {
		l.tb.Fatalf("End at %v ended %d sessions (%v), want %d", l.now(), got, err, want)
	}
}

// wantLive demands that this is the meeting's live session, "" for none.
func (l *lobby) wantLive(want chat.SessionID) {
	l.tb.Helper()
	head, err := l.Position(l.tb.Context(), l.ann.Meeting)
	l.must(err)
	if head.Session != want {
		l.tb.Fatalf("the live session is %q, want %q", head.Session, want)
	}
}

func (l *lobby) wantRefused(want chat.Code, a session.Arrival) {
	l.tb.Helper()
	s, err := l.Enter(l.tb.Context(), a, "refused", l.now())
	if chat.CodeOf(err) != want {
		l.tb.Fatalf("%+v got session %q and %v, want it refused: %s", a, s.ID, err, want)
	}
}

// peers are those of Ann's meeting, by peer id.
func (l *lobby) peers() (room.Session, map[chat.PeerID]room.Kept) {
	l.tb.Helper()
	s, list, err := l.Peers(l.tb.Context(), l.ann.Meeting)
	l.must(err)
	peers := make(map[chat.PeerID]room.Kept)
	for _, k := range list {
		if _, ok := peers[k.Peer]; ok {
			l.tb.Fatalf("peer %s is there twice", k.Peer)
		}
		peers[k.Peer] = k
	}
	return s, peers
}

func TestFirstToEnterStartsTheSession(t *testing.T) {
	l := newLobby(t)
	l.wantLive("")
	start := l.now()
	first := l.enter(l.ann)
	if first.Meeting != l.ann.Meeting || !first.StartedAt.Equal(start) {
		t.Errorf("the session is %+v, want one of meeting %s started at %v", first, l.ann.Meeting, start)
	}
	l.advance(time.Minute)
	if second := l.enter(l.bob); second != first {
		t.Errorf("the second to enter is in session %+v, the first in %+v", second, first)
	}
	l.wantLive(first.ID)
}

func TestEnteringAtTheSameTimeIsOneSession(t *testing.T) {
	l := newLobby(t)
	var all sync.WaitGroup
	sessions := make([]session.Session, 20)
	for i := range sessions {
		who := l.ann
		who.Peer = chat.PeerID(fmt.Sprint("tab ", i))
		all.Go(func() {
			var err error
			if sessions[i], err = l.Enter(t.Context(), l.arrival(who), chat.SessionID(fmt.Sprint("session of tab ", i)), l.now()); err != nil {
				t.Errorf("entering: %v", err)
			}
		})
	}
	all.Wait()
	for _, s := range sessions {
		if s != sessions[0] {
			t.Fatalf("two sessions: %+v and %+v", sessions[0], s)
		}
	}
	if _, peers := l.peers(); len(peers) != 20 {
		t.Errorf("%d peers, want 20", len(peers))
	}
}

func TestSessionEndsSomeTimeAfterTheLastHasLeft(t *testing.T) {
	l := newLobby(t)
	s := l.enter(l.ann)
	l.enter(l.bob)
	l.advance(time.Hour)
	l.left(s, l.ann)
	l.advance(2 * keepAlive)
	l.wantEnded(0) // Bob is there
	l.left(s, l.bob)
	l.advance(keepAlive - time.Millisecond)
	l.wantEnded(0)
	l.wantLive(s.ID)
	l.advance(time.Millisecond)
	l.wantEnded(1)
	l.wantLive("")
	l.wantEnded(0)

	next := l.enter(l.ann)
	if next.ID == s.ID || !next.StartedAt.Equal(l.now()) {
		t.Errorf("who came after the end is in session %+v, want a new one", next)
	}
	if got, peers := l.peers(); got.ID != next.ID || len(peers) != 1 {
		t.Errorf("the new session is %+v with %d peers, want one peer", got, len(peers))
	}
}

func TestEndIsCalledOffByWhoComes(t *testing.T) {
	l := newLobby(t)
	s := l.enter(l.ann)
	l.left(s, l.ann)
	l.advance(keepAlive - time.Millisecond)
	if again := l.enter(l.bob); again != s {
		t.Errorf("who came back is in session %+v, want %+v", again, s)
	}
	l.wantEnded(0)
	l.advance(10 * keepAlive)
	l.wantEnded(0)
	l.left(s, l.bob)
	l.advance(keepAlive)
	l.wantEnded(1)
}

// The time of the end is that of the last to leave: to leave again, or without
// ever having been there, does not put it off.
func TestLeavingTwiceDoesNotPutOffTheEnd(t *testing.T) {
	l := newLobby(t)
	s := l.enter(l.ann)
	l.left(s, l.bob) // never there: nothing ends
	l.advance(keepAlive)
	l.wantEnded(0)
	l.left(s, l.ann)
	l.advance(keepAlive / 2)
	l.left(s, l.ann)
	l.left(s, l.bob)
	l.advance(keepAlive / 2)
	l.wantEnded(1)
	l.left(s, l.ann) // after the end
	l.wantEnded(0)
}

func TestSecondTabKeepsTheSession(t *testing.T) {
	l := newLobby(t)
	s := l.enter(l.ann)
	tab := l.ann
	tab.Peer = "second tab"
	l.enter(tab)
	l.left(s, l.ann)
	l.advance(keepAlive)
	l.wantEnded(0)
	l.left(s, tab)
	l.advance(keepAlive)
	l.wantEnded(1)
}

func TestManySessionsEnd(t *testing.T) {
	l := newLobby(t)
	const n = 600
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			who := l.add(l.newMeeting(directory.NewMeeting{}), "Ann")
			s, err := l.Enter(t.Context(), l.arrival(who), chat.SessionID(l.id("session")), l.now())
			if err != nil {
				t.Error(err)
			}
			if err := l.Left(t.Context(), s.ID, who.Peer); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	l.advance(directory.DefaultKeepAlive)
	ended := 0
	for range n {
		some, err := l.End(t.Context(), l.now())
		l.must(err)
		if some == 0 {
			break
		}
		ended += some
	}
	if ended != n {
		t.Errorf("%d sessions ended, want %d", ended, n)
	}
}

func TestEnterIsRefused(t *testing.T) {
	l := newLobby(t)
	s := l.enter(l.ann)
	unknown := l.arrival(l.ann)
	unknown.Meeting = "unknown"
	l.wantRefused(chat.NotFound, unknown)
	stranger := l.arrival(l.ann)
	stranger.Participant, stranger.Peer = "unknown", "of the unknown"
	l.wantRefused(chat.NotFound, stranger)
	elsewhere := l.arrival(l.a) // a participant of another meeting
	elsewhere.Meeting = l.ann.Meeting
	l.wantRefused(chat.NotFound, elsewhere)
	foreign := l.arrival(l.bob)
	foreign.Peer = l.ann.Peer
	l.wantRefused(chat.Forbidden, foreign)
	l.left(s, l.ann)
	l.wantRefused(chat.Forbidden, foreign) // also when Ann has left
	if _, peers := l.peers(); len(peers) != 1 || peers[l.ann.Peer].Participant != l.ann.Participant {
		t.Errorf("the peers are %v, want Ann's alone", peers)
	}
	l.advance(keepAlive)
	l.wantEnded(1) // nobody who was refused called it off
}

func TestClosedMeetingLetsNobodyIn(t *testing.T) {
	l := newLobby(t)
	rawExec(t, l.dir, `UPDATE meetings SET active = 0 WHERE id = ?`, string(l.ann.Meeting))
	l.wantRefused(chat.Forbidden, l.arrival(l.ann))
	l.wantLive("")
}

// A peer id means something in its own session only.
func TestPeerIDsOfDifferentMeetingsDoNotMeet(t *testing.T) {
	l := newLobby(t)
	a := l.a
	a.Peer = l.ann.Peer
	l.enter(l.ann)
	l.enter(a)
	if _, peers := l.peers(); peers[l.ann.Peer].Participant != l.ann.Participant {
		t.Errorf("the peer of Ann belongs to %s", peers[l.ann.Peer].Participant)
	}
}

func TestPeersAreKeptWithWhatIsKnownOfThem(t *testing.T) {
	l := newLobby(t)
	s := l.enter(l.ann)
	l.append(l.say(l.ann, "one"))
	renamed := l.bob
	renamed.DisplayName = "Robert"
	l.enter(renamed)
	l.append(l.say(l.ann, "two"))
	l.left(s, l.bob)

	check := func(when string) {
		t.Helper()
		got, peers := l.peers()
		if got.ID != s.ID || !got.StartedAt.Equal(s.StartedAt) || len(peers) != 2 {
			t.Fatalf("%s: session %+v with %d peers, want %+v with 2", when, got, len(peers), s)
		}
		ann, bob := peers[l.ann.Peer], peers[l.bob.Peer]
		if ann.Participant != l.ann.Participant || ann.Name != "Ann" || ann.CustomID != "custom Ann" ||
			ann.Picture != "https://example.com/Ann.png" || ann.PresetName != "group_call_host" || ann.Preset == "" {
			t.Errorf("%s: Ann is %+v", when, ann)
		}
		if ann.Gone || ann.Seen != 0 {
			t.Errorf("%s: Ann is gone: %v, and has seen %d; want her here, and all from her coming on", when, ann.Gone, ann.Seen)
		}
		if bob.Name != "Robert" || !bob.Gone || bob.Seen != 1 {
			t.Errorf("%s: Bob is %+v; want him gone, by his chosen name, and having seen 1 when he came", when, bob)
		}
	}
	check("before")
	l.reopen()
	check("after a restart")
}

// Whoever comes back goes on reading where they stopped.
func TestSeenIsKept(t *testing.T) {
	l := newLobby(t)
	s := l.enter(l.ann)
	l.enter(l.bob)
	for range 5 {
		l.append(l.say(l.ann, "words"))
	}
	l.must(l.Seen(t.Context(), []room.Seen{
		{Session: s.ID, Peer: l.ann.Peer, Seq: 3},
		{Session: s.ID, Peer: "unknown", Seq: 4},
		{Session: "unknown", Peer: l.bob.Peer, Seq: 4},
		{Session: s.ID, Peer: l.bob.Peer, Seq: 5},
	}))
	l.left(s, l.ann)
	for _, when := range []string{"at once", "after a restart", "after coming back"} {
		_, peers := l.peers()
		if len(peers) != 2 || peers[l.ann.Peer].Seen != 3 || peers[l.bob.Peer].Seen != 5 {
			t.Errorf("%s: the peers are %v, want Ann's to have seen 3, Bob's 5", when, peers)
		}
		if when == "at once" {
			l.reopen()
		} else {
			l.enter(l.ann)
		}
	}
	if _, peers := l.peers(); peers[l.ann.Peer].Gone {
		t.Error("Ann came back, and counts as gone")
	}
}

func TestLiveMeetingsAreThoseWithPeers(t *testing.T) {
	l := newLobby(t)
	want := func(when string, want ...chat.MeetingID) {
		t.Helper()
		got, err := l.Live(t.Context())
		l.must(err)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: live are %v, want %v", when, got, want)
		}
	}
	want("at first", l.meeting)
	s := l.enter(l.ann)
	want("with Ann", l.meeting, l.ann.Meeting)
	l.reopen()
	want("after a restart", l.meeting, l.ann.Meeting)
	l.left(s, l.ann)
	want("when all have left", l.meeting)
	l.enter(l.ann)
	want("when Ann is back", l.meeting, l.ann.Meeting)
	l.left(s, l.ann)
	l.advance(keepAlive)
	l.wantEnded(1)
	want("after the end", l.meeting)
}

func TestMeetingWithoutSessionHasNoPeers(t *testing.T) {
	l := newLobby(t)
	if s, peers := l.peers(); s.ID != "" || len(peers) != 0 {
		t.Errorf("session %+v with peers %v, want none", s, peers)
	}
}
