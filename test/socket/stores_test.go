package socket_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// onStore makes a request on a store of the world's meeting: key=value, or keys.
func (w *world) onStore(store string, pairs ...string) *rtkwire.StoreWrite {
	m := &rtkwire.StoreWrite{PluginId: string(w.meeting.ID), StoreName: store}
	for _, p := range pairs {
		key, value, _ := strings.Cut(p, "=")
		m.Keys = append(m.Keys, &rtkwire.StoreKey{StoreKey: key, Payload: []byte(value)})
	}
	return m
}

func (w *world) set(p *peer.Peer, store string, pairs ...string) {
	w.Helper()
	w.must(nil, p.Request(w.ctx, protocol.StoreInsertKeys, w.onStore(store, pairs...), nil))
}

func (w *world) unset(p *peer.Peer, store string, keys ...string) {
	w.Helper()
	w.must(nil, p.Request(w.ctx, protocol.StoreDeleteKeys, w.onStore(store, keys...), nil))
}

// stored gives what a store holds, oldest first.
func (w *world) stored(p *peer.Peer, store string) string {
	w.Helper()
	var m rtkwire.StoreItems
	w.must(nil, p.Request(w.ctx, protocol.StoreGetKeys, w.onStore(store), &m))
	return shown(m.GetStoreItems())
}

func shown(items []*rtkwire.StoreItem) string {
	lines := make([]string, len(items))
	for i, item := range items {
		lines[i] = item.GetStoreKey() + "=" + string(item.GetPayload())
	}
	return strings.Join(lines, " ")
}

func TestStoresAreSharedAndOutliveARestart(t *testing.T) {
	w := newWorld(t)
	aliceIs, bobIs := w.invite("Alice", "group_call_host"), w.invite("Bob", "group_call_participant")
	alice, bob := w.join(aliceIs), w.join(bobIs)
	w.set(alice, "board", `line={"x":1}`, "colour=\"red\"")
	w.set(bob, "board", "colour=\"blue\"")
	w.set(bob, "votes", "bob=true")
	w.unset(alice, "votes", "bob")
	var m rtkwire.StoreItems
	if w.await(alice, 0, protocol.StoreDeleteKeys, &m); m.GetStoreName() != "votes" || m.GetStoreItems()[0].GetPeerId() != alice.ID {
		t.Errorf("alice is told %v", &m)
	}
	const want = `line={"x":1} colour="blue"`
	for _, p := range []*peer.Peer{alice, bob} {
		if got := w.stored(p, "board") + "|" + w.stored(p, "votes"); got != want+"|" {
			t.Errorf("the stores hold %q", got)
		}
	}
	w.restart()
	back := w.join(aliceIs)
	if got := w.stored(back, "board"); got != want {
		t.Errorf("after a restart the store holds %q, want %q", got, want)
	}
	w.set(back, "board", "colour=\"green\"")
	if got := w.stored(back, "board"); got != `line={"x":1} colour="green"` {
		t.Errorf("then it holds %q", got)
	}
}

func TestStoresAreNotOfOtherMeetingsNorOfThoseOutside(t *testing.T) {
	w := newWorld(t)
	alice := w.enter("Alice")
	w.set(alice, "board", "secret=1")
	here := w.meeting
	w.meeting = w.newMeeting(directory.NewMeeting{Title: "Elsewhere"})
	mallory := w.enter("Mallory")
	if got := w.stored(mallory, "board"); got != "" {
		t.Errorf("another meeting holds %q", got)
	}
	w.meeting = here
	if err := mallory.Request(w.ctx, protocol.StoreGetKeys, w.onStore("board"), nil); err == nil {
		t.Error("the id of another meeting was taken")
	}
	outside := w.connect(w.invite("Bob", "group_call_host"), peer.Options{})
	if got := w.stored(outside, "board"); got != "" {
		t.Errorf("one who has not joined is shown %q", got)
	}
	w.must(outside.Join(w.ctx, ""))
	var m rtkwire.StoreItems
	if w.await(outside, 0, protocol.StoreInsertKeys, &m); shown(m.GetStoreItems()) != "secret=1" {
		t.Errorf("having joined, it is shown %v", &m)
	}
}

func TestReturningPeerIsToldWhatItMissedOfTheStores(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"after a cut": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			someone := w.invite("Bob", "group_call_host")
			bob, alice := w.join(someone), w.enter("Alice")
			w.set(alice, "board", "gone=1")
			bob.Cut()
			w.set(alice, "board", "k=1")
			w.set(alice, "board", "k=2")
			w.unset(alice, "board", "gone")
			if restart {
				w.restart()
			}
			back := w.connect(someone, peer.Options{ID: bob.ID})
			w.must(back.Join(w.ctx, ""))
			told := make(map[string]string)
			for _, f := range back.Frames() {
				var m rtkwire.StoreItems
				switch protocol.Event(f.GetEvent()) {
				case protocol.StoreInsertKeys, protocol.StoreDeleteKeys:
					w.must(nil, proto.Unmarshal(f.GetPayload(), &m))
				}
				for _, i := range m.GetStoreItems() {
					told[i.GetStoreKey()] = string(i.GetPayload())
				}
			}
			if fmt.Sprint(told) != "map[gone: k:2]" {
				t.Errorf("told %v before the join was answered", told)
			}
		})
	}
}

func TestStoresGoWithTheSession(t *testing.T) {
	w := newWorld(t)
	alice := w.enter("Alice")
	w.set(alice, "board", "k=1", "l=2")
	w.unset(alice, "board", "l")
	first := w.session(alice)
	w.awaitRow(`SELECT 1 FROM store_items WHERE session = ? GROUP BY session HAVING COUNT(*) = 2`, first)
	alice.Leave()
	w.awaitRow(`SELECT 1 FROM sessions WHERE id = ? AND ends_at IS NOT NULL`, first)
	w.ahead.Store(int64(2 * time.Minute))
	w.awaitRow(`SELECT 1 FROM sessions WHERE id = ? AND ended_at IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM store_items) AND NOT EXISTS (SELECT 1 FROM store_totals)`, first)
	bob := w.enter("Bob")
	if got := w.stored(bob, "board"); got != "" || w.session(bob) == first {
		t.Errorf("the next session begins with %q", got)
	}
}
