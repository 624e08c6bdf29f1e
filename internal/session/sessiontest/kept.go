package sessiontest

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/session"
)

func countsFollowThePeers(t *testing.T, w *world) {
	a, b := w.add("Ann", host), w.add("Bob", guest)
	s := w.enter(a)
	want := func(when string, peers, live, most int, spent time.Duration) {
		t.Helper()
		r := w.record(s)
		if r.Peers != peers || r.Live != live || r.Most != most || r.Spent != spent {
			t.Errorf("%s: %d peers, %d there, %d at most, %v; want %d, %d, %d, %v",
				when, r.Peers, r.Live, r.Most, r.Spent, peers, live, most, spent)
		}
		active, err := w.engine.Active(t.Context(), w.app, w.meeting)
		w.must(err)
		if active != r {
			t.Errorf("%s: the active session is %+v, the same by its id %+v", when, active, r)
		}
	}
	want("with Ann", 1, 1, 1, 0)
	w.advance(time.Minute)
	want("a minute later", 1, 1, 1, time.Minute)
	w.enter(b)
	tab := w.tab(a)
	w.enter(tab)
	w.enter(tab) // once more, which changes nothing
	want("with three", 3, 3, 3, time.Minute)
	w.advance(time.Minute)
	w.leave(s, b)
	w.leave(s, b)
	want("when Bob has left", 3, 2, 3, 4*time.Minute)
	w.advance(time.Minute)
	w.enter(b)
	want("when Bob is back", 3, 3, 3, 6*time.Minute)
	w.leave(s, a)
	w.leave(s, b)
	w.leave(s, tab)
	w.advance(time.Second)
	want("when all have left", 3, 0, 3, 6*time.Minute)
	if r := w.record(s); r.ID != s.ID || r.Meeting != w.meeting || r.App != w.app || r.Title != "Standup" || !r.StartedAt.Equal(s.StartedAt) {
		t.Errorf("the session is %+v", r)
	}
}

func revisionFollowsTheMessages(t *testing.T, w *world) {
	_, err := w.engine.ChangeMeeting(t.Context(), w.app, w.meeting, func(m *directory.Meeting) error { m.PersistChat = true; return nil })
	w.must(err)
	a := w.add("Ann", host)
	first := w.enter(a)
	last := w.record(first).Revision
	grew := func(what string, s session.Session, want bool) {
		t.Helper()
		now := w.record(s).Revision
		if (now > last) != want {
			t.Errorf("%s: the revision went from %d to %d, want it to grow: %v", what, last, now, want)
		}
		last = now
	}
	m := w.append(w.say(a, "one"))
	grew("a message", first, true)
	w.enter(w.tab(a))
	grew("a join", first, false)
	whisper := w.say(a, "psst")
	whisper.Private, whisper.Recipients = true, []chat.ParticipantID{w.add("Bob", host).Participant}
	w.append(whisper)
	grew("a private message", first, false)
	w.append(chat.PinMessage{Actor: a, Message: m.ID, Pinned: true})
	grew("a pin", first, true)
	if _, err := w.journal.Append(t.Context(), chat.DeleteMessage{Actor: a, Message: "unknown"}); err == nil {
		t.Fatal("an unknown message was deleted")
	}
	grew("a refusal", first, false)
	_, err = w.kickAll(nil)
	w.must(err)
	a = w.tab(a)
	second := w.enter(a)
	w.append(w.say(a, "two"))
	grew("a message of the next session", first, false)
	w.append(chat.EditMessage{Actor: a, Message: m.ID, Content: chat.Content{Kind: chat.Text, Payload: "one!"}})
	grew("an edit from the next session", first, true)
	before := w.record(second).Revision
	w.append(chat.DeleteMessage{Actor: a, Message: m.ID})
	grew("a deletion from the next session", first, true)
	if after := w.record(second).Revision; after != before {
		t.Errorf("what happened to another session's message took the revision from %d to %d", before, after)
	}
}

func sessionsAreListed(t *testing.T, w *world) {
	start := w.now()
	var ids []chat.SessionID
	// Four sessions an hour apart, the first the longest; the last is live.
	other := w.newMeeting("100% Planning")
	for i := range 4 {
		meeting := w.meeting
		if i == 2 {
			meeting = other
		}
		a := w.addTo(meeting, "Ann", host)
		s := w.enter(a)
		ids = append(ids, s.ID)
		for range i {
			w.enter(w.tab(a))
		}
		if i < 3 {
			w.advance(time.Duration(30-9*i) * time.Minute)
			_, err := w.engine.KickAll(t.Context(), meeting, nil, w.now())
			w.must(err)
		}
		w.clock.Store(start.Add(time.Duration(i+1) * time.Hour).UnixMilli())
	}
	w.advance(-time.Hour + time.Minute) // the live one has taken 4 minutes of peers
	for name, test := range map[string]struct {
		list  session.List
		want  []int
		total int
	}{
		"all, newest first": {session.List{}, []int{3, 2, 1, 0}, 4},
		"oldest first":      {session.List{Page: session.Page{Ascending: true}}, []int{0, 1, 2, 3}, 4},
		"most time first":   {session.List{Page: session.Page{Order: session.BySpent}}, []int{1, 2, 0, 3}, 4},
		"least time first":  {session.List{Page: session.Page{Order: session.BySpent, Ascending: true}}, []int{3, 0, 2, 1}, 4},
		"a page":            {session.List{Page: session.Page{Page: 2, Size: 3}}, []int{0}, 4},
		"beyond the end":    {session.List{Page: session.Page{Page: 9}}, nil, 4},
		"live":              {session.List{Status: session.Live}, []int{3}, 1},
		"ended":             {session.List{Status: session.Ended}, []int{2, 1, 0}, 3},
		"of a meeting":      {session.List{Meeting: other}, []int{2}, 1},
		"from":              {session.List{From: start.Add(2 * time.Hour)}, []int{3, 2}, 2},
		"to":                {session.List{To: start.Add(time.Hour)}, []int{1, 0}, 2},
		"with two or three": {session.List{Least: 2, Most: 3}, []int{2, 1}, 2},
		"by title":          {session.List{Page: session.Page{Search: "% plan"}}, []int{2}, 1},
		"by meeting":        {session.List{Page: session.Page{Search: string(other)}}, []int{2}, 1},
		"by id":             {session.List{Page: session.Page{Search: string(ids[0])}}, []int{0}, 1},
		"by nothing there":  {session.List{Page: session.Page{Search: "_"}}, nil, 0},
	} {
		rows, total, err := w.engine.Sessions(t.Context(), w.app, test.list)
		w.must(err)
		var got, want []chat.SessionID
		for _, r := range rows {
			got = append(got, r.ID)
			if one, err := w.engine.Session(t.Context(), w.app, r.ID); err != nil || one != r {
				t.Errorf("%s: listed as %+v, by itself %+v, %v", name, r, one, err)
			}
		}
		for _, i := range test.want {
			want = append(want, ids[i])
		}
		if !reflect.DeepEqual(got, want) || total != test.total {
			t.Errorf("%s: got %v of %d, want %v of %d", name, got, total, want, test.total)
		}
	}
}

func peersAreListed(t *testing.T, w *world) {
	a, b, c := w.add("Ann", host), w.add("Bob 100%", guest), w.add("Cid", guest)
	s := w.enter(a)
	w.advance(time.Minute)
	w.enter(b)
	w.advance(time.Minute)
	w.enter(c)
	w.leave(s, a)
	w.advance(5 * time.Minute)
	for name, test := range map[string]struct {
		list  session.PeerList
		want  []chat.Actor
		total int
	}{
		"all, newest first": {session.PeerList{}, []chat.Actor{c, b, a}, 3},
		"oldest first":      {session.PeerList{Page: session.Page{Ascending: true}}, []chat.Actor{a, b, c}, 3},
		"longest first":     {session.PeerList{Page: session.Page{Order: session.BySpent}}, []chat.Actor{b, c, a}, 3},
		"a page":            {session.PeerList{Page: session.Page{Page: 2, Size: 2}}, []chat.Actor{a}, 3},
		"by name":           {session.PeerList{Page: session.Page{Search: "0%"}}, []chat.Actor{b}, 1},
		"by custom id":      {session.PeerList{Page: session.Page{Search: "custom-Cid"}}, []chat.Actor{c}, 1},
		"by participant":    {session.PeerList{Page: session.Page{Search: string(a.Participant)}}, []chat.Actor{a}, 1},
		"by peer":           {session.PeerList{Page: session.Page{Search: string(a.Peer)}}, []chat.Actor{a}, 1},
	} {
		rows, total, err := w.engine.SessionPeers(t.Context(), w.app, s.ID, test.list)
		w.must(err)
		var got, want []chat.PeerID
		for _, p := range rows {
			got = append(got, p.ID)
		}
		for _, x := range test.want {
			want = append(want, x.Peer)
		}
		if !reflect.DeepEqual(got, want) || total != test.total {
			t.Errorf("%s: got %v of %d, want %v of %d", name, got, total, want, test.total)
		}
	}
	p := w.peer(s, a)
	p.Events = nil
	want := session.Peer{
		ID: a.Peer, Participant: a.Participant, CustomID: "custom-Ann", DisplayName: "Ann", PresetName: host,
		JoinedAt: s.StartedAt.UTC(), LeftAt: s.StartedAt.UTC().Add(2 * time.Minute), Spent: 2 * time.Minute,
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("Ann is %+v, want %+v", p, want)
	}
	if p := w.peer(s, b); !p.LeftAt.IsZero() || p.Spent != 6*time.Minute {
		t.Errorf("Bob is %+v, want him there, for 6 minutes", p)
	}
}

// What a peer is called, and by what preset it came, stays as it was then.
func eventsTellOfEachStay(t *testing.T, w *world) {
	a, b := w.add("Ann", host), w.come("Bob", guest)
	s := w.enter(a)
	start := w.now()
	w.advance(time.Minute)
	w.leave(s, a)
	_, err := w.engine.ChangeParticipant(t.Context(), w.app, w.meeting, a.Participant,
		func(p *directory.Participant) error { p.PresetName = guest; return nil })
	w.must(err)
	w.advance(time.Minute)
	a.DisplayName = "Annie"
	w.enter(a)
	w.advance(time.Minute)
	_, err = w.kick(session.Kick{By: nil, Peers: peersOf(a)})
	w.must(err)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	want := []session.PeerEvent{
		{No: 1, Kind: session.Joined, At: at(0), DisplayName: "Ann", PresetName: host},
		{No: 2, Kind: session.Left, At: at(1), DisplayName: "Ann", PresetName: host},
		{No: 3, Kind: session.Joined, At: at(2), DisplayName: "Annie", PresetName: guest},
		{No: 4, Kind: session.Kicked, At: at(3), DisplayName: "Annie", PresetName: guest},
	}
	w.crash()
	p := w.peer(s, a)
	if !reflect.DeepEqual(p.Events, want) {
		t.Errorf("the events are\n%+v\nwant\n%+v", p.Events, want)
	}
	if p.DisplayName != "Annie" || p.PresetName != guest || !p.JoinedAt.Equal(start) || !p.LeftAt.Equal(at(3)) || p.Spent != 2*time.Minute {
		t.Errorf("the peer is %+v", p)
	}
	list, _, err := w.engine.SessionPeers(t.Context(), w.app, s.ID, session.PeerList{Events: true})
	w.must(err)
	for _, listed := range list {
		one := w.peer(s, chat.Actor{Peer: listed.ID})
		if !reflect.DeepEqual(listed, one) {
			t.Errorf("listed as %+v, by itself %+v", listed, one)
		}
	}
	if len(list) != 2 || len(w.peer(s, b).Events) != 1 {
		t.Errorf("the list is %+v, want Ann and Bob", list)
	}
}

func consolidatedByParticipant(t *testing.T, w *world) {
	a, b := w.add("Ann", host), w.add("Bob", guest)
	s := w.enter(a)
	start := w.now()
	w.advance(time.Minute)
	tab := w.tab(a)
	tab.DisplayName = "Ann's phone"
	w.enter(tab)
	w.enter(b)
	w.advance(time.Minute)
	w.leave(s, a)
	list := func(l session.PeerList) []session.Peer {
		t.Helper()
		l.Consolidated = true
		rows, total, err := w.engine.SessionPeers(t.Context(), w.app, s.ID, l)
		w.must(err)
		if total != len(rows) {
			t.Errorf("%d rows of %d", len(rows), total)
		}
		return rows
	}
	w.advance(time.Minute)
	rows := list(session.PeerList{Page: session.Page{Order: session.BySpent}, Events: true})
	if len(rows) != 2 || rows[0].Participant != a.Participant || rows[1].Participant != b.Participant {
		t.Fatalf("the rows are %+v, want Ann's and Bob's", rows)
	}
	ann := rows[0]
	if ann.ID != tab.Peer || ann.DisplayName != "Ann's phone" || !ann.JoinedAt.Equal(start) || !ann.LeftAt.IsZero() || ann.Spent != 4*time.Minute {
		t.Errorf("Ann, with one of two tabs there, is %+v", ann)
	}
	if len(ann.Events) != 3 || ann.Events[2].Kind != session.Left || ann.Events[2].No != 3 {
		t.Errorf("Ann's events are %+v, want two joins and a leave", ann.Events)
	}
	w.leave(s, tab)
	if ann = list(session.PeerList{Page: session.Page{Search: "phone"}})[0]; !ann.LeftAt.Equal(w.now()) {
		t.Errorf("Ann, when both tabs have gone, is %+v", ann)
	}
}

func appsDoNotSeeEachOther(t *testing.T, w *world) {
	a := w.add("Ann", host)
	s := w.enter(a)
	stranger, err := w.directory().CreateApp(t.Context(), "account", "other")
	w.must(err)
	for _, app := range []chat.AppID{stranger.ID, "unknown"} {
		if rows, total, err := w.engine.Sessions(t.Context(), app, session.List{Meeting: w.meeting}); err != nil || total != 0 || len(rows) != 0 {
			t.Errorf("another app lists %v of %d, %v", rows, total, err)
		}
		_, session1 := w.engine.Session(t.Context(), app, s.ID)
		_, active := w.engine.Active(t.Context(), app, w.meeting)
		_, _, peers := w.engine.SessionPeers(t.Context(), app, s.ID, session.PeerList{})
		_, peer := w.engine.SessionPeer(t.Context(), app, s.ID, a.Peer)
		for what, err := range map[string]error{"session": session1, "active session": active, "peers": peers, "peer": peer} {
			if !errors.Is(err, session.ErrNotFound) {
				t.Errorf("another app asks for the %s: %v, want %v", what, err, session.ErrNotFound)
			}
		}
	}
	if _, err := w.engine.SessionPeer(t.Context(), w.app, s.ID, "unknown"); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("an unknown peer: %v, want %v", err, session.ErrNotFound)
	}
}

func searchIsBounded(t *testing.T, w *world) {
	s := w.enter(w.add("Ann", host))
	for _, search := range []string{strings.Repeat("x", session.MaxSearch+1), "\xff", "a\x00b"} {
		_, _, sessions := w.engine.Sessions(t.Context(), w.app, session.List{Page: session.Page{Search: search}})
		_, _, peers := w.engine.SessionPeers(t.Context(), w.app, s.ID, session.PeerList{Page: session.Page{Search: search}})
		if chat.CodeOf(sessions) != chat.Invalid || chat.CodeOf(peers) != chat.Invalid {
			t.Errorf("a search for %.20q: %v and %v, want %s", search, sessions, peers, chat.Invalid)
		}
	}
}
