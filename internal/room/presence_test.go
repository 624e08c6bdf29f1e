package room

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// guest connects and joins with other rights than most.
func (w *world) guest(peer chat.PeerID, change func(*chat.Permissions)) *Connection {
	w.Helper()
	c := w.connect(peer)
	info := infoOf(peer)
	change(&info.Rights)
	c.Room.Join(c.Feed, info, session, []byte("welcome\n"))
	w.sent(c)
	return c
}

func hidden(p *chat.Permissions) { p.Hidden = true }
func blind(p *chat.Permissions)  { p.SeePeers = false }
func host(p *chat.Permissions)   { p.Kick, p.AcceptWaiting = true, true }

// fill lets as many others join as make n visible peers.
func (w *world) fill(n int) []*Connection {
	w.Helper()
	var crowd []*Connection
	for i := range n {
		crowd = append(crowd, w.join(chat.PeerID(fmt.Sprint("_", i))))
	}
	return crowd
}

// names gives the list that a connection is shown, as one line.
func (w *world) names(c *Connection) string {
	w.Helper()
	slot, list := c.Room.Present(c.Feed)
	slot.Fill(nil)
	return strings.TrimSuffix(string(bytes.Join(list, nil)), ",")
}

// wantLast demands that a connection is told this last, within a second, and
// gives all it was told.
func (w *world) wantLast(c *Connection, want string) []string {
	w.Helper()
	time.Sleep(flushEvery)
	synctest.Wait()
	words := strings.Fields(w.sent(c))
	if len(words) == 0 || words[len(words)-1] != want {
		w.Errorf("%s was told %q, want %s in the end", c.info.Peer, words, want)
	}
	return words
}

func TestHiddenPeerIsNeitherToldOfNorListed(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	ghost := w.guest("g1", hidden)
	b := w.join("b1")
	w.wantSent(a, "+b1")
	w.wantSent(ghost, "+b1")
	for c, want := range map[*Connection]string{a: "a1,b1", b: "a1,b1", ghost: "a1,b1,g1"} {
		if got := w.names(c); got != want {
			t.Errorf("%s is shown %s, want %s", c.info.Peer, got, want)
		}
	}
	if _, ok := a.Room.Seen(a.Feed, "g1"); ok {
		t.Error("the hidden peer can be asked for")
	}
	if _, ok := a.Room.Seen(ghost.Feed, "g1"); !ok {
		t.Error("the hidden peer cannot ask for itself")
	}
	w.say("hello")
	w.wantSent(ghost, "hello")
	ghost.Room.Disconnect(ghost.Feed, true)
	w.wantSent(a, "hello")
}

func TestPeerThatMayNotSeeOthersIsToldOfHostsAlone(t *testing.T) {
	w := newWorld(t)
	viewer := w.guest("v1", blind)
	b := w.join("b1")
	h := w.guest("h1", host)
	w.say("hello")
	w.wantSent(viewer, "+h1 hello")
	if got := w.names(viewer); got != "h1,v1" {
		t.Errorf("shown %s", got)
	}
	if _, ok := viewer.Room.Seen(viewer.Feed, "b1"); ok {
		t.Error("can ask for another")
	}
	b.Room.Disconnect(b.Feed, true)
	h.Room.Disconnect(h.Feed, true)
	w.say("bye")
	w.wantSent(viewer, "-h1 bye")
}

func TestRightsThatChangeShowAndHide(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.join("a1"), w.join("b1"), w.join("c1")
	for _, x := range []*Connection{a, b, c} {
		w.sent(x)
	}
	revise := func(peer chat.PeerID, rights chat.Permissions, revision uint64) {
		info := infoOf(peer)
		info.Rights, info.Revision = rights, revision
		a.Room.Revise(info, []byte("word\n"))
	}
	rights := sociable
	rights.Hidden = true
	revise("b1", rights, 1)
	w.wantSent(a, "-b1")
	w.wantSent(b, "word -b1")
	w.wantSent(c, "-b1")
	revise("b1", sociable, 2)
	w.wantSent(a, "+b1")
	w.sent(b)
	w.sent(c)

	rights = sociable
	rights.SeePeers = false
	revise("c1", rights, 1)
	w.wantSent(c, "word -a1 -b1")
	w.wantSent(a, "")
	rights.SeePeers = true
	revise("c1", rights, 2)
	w.wantSent(c, "word +a1 +b1")

	rights.SeePeers = false
	revise("c1", rights, 3)
	w.sent(c)
	rights = sociable
	rights.Kick = true
	revise("a1", rights, 1)
	w.wantSent(c, "+a1")
	w.wantSent(b, "")
	revise("a1", sociable, 2)
	w.wantSent(c, "-a1")
	w.sent(a)
	// The same again is no news.
	revise("a1", sociable, 2)
	w.wantSent(a, "")
}

func TestUpToThreeHundredAreToldOfEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.join("a1")
		w.fill(Announced - 1)
		if got := strings.Count(w.sent(a), "+"); got != Announced-1 {
			t.Errorf("told of %d", got)
		}
		time.Sleep(2 * flushEvery)
		w.wantSent(a, "")
	})
}

func TestLargeRoomIsToldTheCountAndTheHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.join("a1")
		w.fill(Announced - 1)
		w.sent(a)
		late := w.connect("l1")
		late.Room.Join(late.Feed, infoOf("l1"), session, []byte("welcome\n"))
		w.wantLast(a, "#301")
		w.wantLast(late, "#301")
		if got := w.names(late); strings.Count(got, ",") != Announced || !strings.HasPrefix(got, "a1,") || !strings.HasSuffix(got, ",l1") {
			t.Errorf("the late one is shown %d: %.20s ... %s", strings.Count(got, ",")+1, got, got[len(got)-10:])
		}
		if got := w.names(a); strings.Count(got, ",") != Announced-1 {
			t.Errorf("the first one is shown %d", strings.Count(got, ",")+1)
		}
		// A second after the last count the next follows at once.
		w.guest("h1", host)
		synctest.Wait()
		w.wantSent(a, "+h1 #302")
		// A host is told of at once, others are counted once a second.
		w.guest("h2", host)
		synctest.Wait()
		w.wantSent(a, "+h2")
		for i := range 20 {
			w.join(chat.PeerID(fmt.Sprint("_y", i)))
		}
		if got := w.wantLast(a, "#323"); len(got) > 1 {
			t.Errorf("in a second told %q", got)
		}
	})
}

// Those who come to a crowd together are told of once, within a second.
func TestCrowdIsToldOnceOfThoseWhoComeTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.join("a1")
		w.fill(crowded)
		time.Sleep(2 * flushEvery)
		synctest.Wait()
		w.sent(a)
		for i := range 3 {
			peer := chat.PeerID(fmt.Sprint("_y", i))
			late := w.connect(peer)
			late.Room.Join(late.Feed, infoOf(peer), session, []byte("welcome\n"))
			// Itself, it is told at once how many are here.
			w.wantSent(late, fmt.Sprint("welcome #", crowded+2+i))
			time.Sleep(flushEvery / 4)
		}
		synctest.Wait()
		w.wantSent(a, "")
		if got := w.wantLast(a, fmt.Sprint("#", crowded+4)); len(got) > 1 {
			t.Errorf("told %q", got)
		}
	})
}

// Whoever is in the list and leaves is followed by the next to have come.
func TestListOfLargeRoomIsKeptFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.join("a1")
		crowd := w.fill(Announced - 1)
		w.sent(a)
		first := w.join("x1")
		synctest.Wait()
		w.wantSent(a, "#301")
		second := w.join("x2")
		w.wantLast(a, "#302")
		gone := crowd[0]
		gone.Room.Disconnect(gone.Feed, true)
		w.wantSent(a, "")
		time.Sleep(flushEvery)
		synctest.Wait()
		w.wantSent(a, "-"+string(gone.info.Peer)+" +x1 #301")

		second.Room.Disconnect(second.Feed, true)
		first.Room.Disconnect(first.Feed, true)
		time.Sleep(flushEvery)
		synctest.Wait()
		w.wantSent(a, "-x1 #299")
		// Small again: told at once, and no longer counted.
		b := w.join("b1")
		w.wantSent(a, "+b1")
		b.Room.Disconnect(b.Feed, true)
		w.wantSent(a, "-b1")
		time.Sleep(2 * flushEvery)
		w.wantSent(a, "")
	})
}

// A list that somebody was given, and may still be reading, stays as it was
// when the next come and go.
func TestListThatWasGivenDoesNotChange(t *testing.T) {
	w := newWorld(t)
	a := w.join("a1")
	given := make(map[string][][]byte)
	for i := range 20 {
		c := w.join(chat.PeerID(fmt.Sprint("_", i)))
		if i%5 == 4 {
			c.Room.Disconnect(c.Feed, true)
		}
		slot, list := a.Room.Present(a.Feed)
		slot.Fill(nil)
		given[string(bytes.Join(list, nil))] = list
	}
	w.guest("g1", hidden) // is shown itself behind the list of all
	for want, list := range given {
		if got := string(bytes.Join(list, nil)); got != want {
			t.Errorf("the list is %s, was %s", got, want)
		}
	}
	if got := w.names(a); got != "a1,_0,_1,_2,_3,_5,_6,_7,_8,_10,_11,_12,_13,_15,_16,_17,_18" {
		t.Errorf("in the end shown %s", got)
	}
}

// What one that joined was shown, and what it is told afterwards, is always the
// list as it is then.
func TestListAndWhatFollowsAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var here []*Connection
		views := make(map[*Connection]map[string]bool)
		for i := range 900 {
			switch {
			case i%3 == 2 && i > 450:
				at := i * 7 % len(here)
				c := here[at]
				c.Room.Disconnect(c.Feed, true)
				here = append(here[:at], here[at+1:]...)
				delete(views, c)
			default:
				change := func(*chat.Permissions) {}
				if i%50 == 7 {
					change = host
				}
				c := w.guest(chat.PeerID(fmt.Sprint("_", i)), change)
				here = append(here, c)
				views[c] = make(map[string]bool)
				for name := range strings.SplitSeq(w.names(c), ",") {
					views[c][name] = true
				}
			}
			if i%40 == 0 {
				time.Sleep(flushEvery / 2)
			}
		}
		time.Sleep(2 * flushEvery)
		synctest.Wait()
		for c, view := range views {
			for word := range strings.FieldsSeq(w.sent(c)) {
				switch word[0] {
				case '+':
					view[word[1:]] = true
				case '-':
					delete(view, word[1:])
				}
			}
			want := make(map[string]bool)
			for name := range strings.SplitSeq(w.names(c), ",") {
				want[name] = true
			}
			want[string(c.info.Peer)] = true
			view[string(c.info.Peer)] = true
			if len(view) != len(want) {
				t.Fatalf("%s knows of %d peers, the list has %d", c.info.Peer, len(view), len(want))
			}
			for name := range want {
				if !view[name] {
					t.Fatalf("%s does not know of %s", c.info.Peer, name)
				}
			}
		}
	})
}

func TestFindPagesThroughAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.join("A1")
		w.guest("_hidden", hidden)
		w.fill(400)
		find := func(text string, offset, limit int) string {
			slot, list := a.Room.Find(a.Feed, text, offset, limit)
			slot.Fill(nil)
			return string(list)
		}
		if got := find("", 398, 10); got != "_397,_398,_399," {
			t.Errorf("the last page is %s", got)
		}
		if got := find("_39", 1, 2); got != "_390,_391," {
			t.Errorf("searched, found %s", got)
		}
		if got := find("a", 0, 300); got != "A1," {
			t.Errorf("in another case, found %s", got)
		}
		if got := find("hidden", 0, 300); got != "" {
			t.Errorf("found %s", got)
		}
		w.sent(a)
	})
}

func TestWhispersInTheLogAreSkippedWhateverIsForgotten(t *testing.T) {
	var l log
	var want strings.Builder
	at := uint64(0)
	for i := range 30_000 {
		frame := fmt.Sprintf("<%d %s>", i, strings.Repeat("x", i%90))
		if i == 28_000 {
			at = l.end
			want.Reset()
		}
		if i%3 == 0 || i%7 == 0 {
			l.whisper([]byte(frame))
			continue
		}
		l.append([]byte(frame))
		want.WriteString(frame)
	}
	var got strings.Builder
	for _, b := range l.readAloud(nil, at, l.end) {
		got.Write(b)
	}
	if got.String() != want.String() {
		t.Errorf("read %d bytes, want %d", got.Len(), want.Len())
	}
	if l.whispers[0].to <= l.start() || len(l.whispers) > 15_000 {
		t.Errorf("%d places are kept, the first ends at %d, the log starts at %d", len(l.whispers), l.whispers[0].to, l.start())
	}
}
