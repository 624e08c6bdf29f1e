package ws

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/content"
	"github.com/parley-chat/parley/internal/kv"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// onStore makes a request on the store "st": key=value, key=- to delete, or
// keys alone.
func onStore(pairs ...string) *rtkwire.StoreWrite {
	m := &rtkwire.StoreWrite{PluginId: string(meeting), StoreName: "st"}
	for _, p := range pairs {
		key, value, _ := strings.Cut(p, "=")
		k := &rtkwire.StoreKey{StoreKey: key}
		if value != "" && value != "-" {
			k.Payload = []byte(value)
		}
		m.Keys = append(m.Keys, k)
	}
	return m
}

// app is what the official client keeps of a store, by its rules: it applies
// its own writes at once and passes over whatever names it as the writer.
type app struct {
	*seat
	data    map[string]string
	changes []string // what its subscribers were called with
}

func newApp(s *seat) *app { return &app{seat: s, data: make(map[string]string)} }

// write applies a write and gives the request, which is under way then.
func (a *app) write(pair string) (raw []byte) {
	key, value, _ := strings.Cut(pair, "=")
	event := protocol.StoreInsertKeys
	if value == "-" {
		event = protocol.StoreDeleteKeys
		delete(a.data, key)
	} else {
		a.data[key] = value
	}
	raw, _ = a.request(event, onStore(pair))
	return raw
}

// hear takes what has arrived.
func (a *app) hear() {
	a.Helper()
	for _, f := range a.frames() {
		var m rtkwire.StoreItems
		event := protocol.Event(f.GetEvent())
		if event != protocol.StoreInsertKeys && event != protocol.StoreDeleteKeys && event != protocol.StoreGetKeys {
			continue
		}
		if err := proto.Unmarshal(f.GetPayload(), &m); err != nil || m.GetPluginId() != string(meeting) || m.GetStoreName() != "st" {
			a.Fatalf("the frame is %v, %v", &m, err)
		}
		for _, i := range m.GetStoreItems() {
			own := event != protocol.StoreGetKeys && i.GetPeerId() == string(a.info.Peer)
			switch {
			case own:
			case event == protocol.StoreDeleteKeys:
				delete(a.data, i.GetStoreKey())
				a.changes = append(a.changes, i.GetStoreKey()+"=-")
			default:
				a.data[i.GetStoreKey()] = string(i.GetPayload())
				if event == protocol.StoreInsertKeys {
					a.changes = append(a.changes, i.GetStoreKey()+"="+string(i.GetPayload()))
				}
			}
		}
	}
}

func (a *app) want(data string) {
	a.Helper()
	var got []string
	for k, v := range a.data {
		got = append(got, k+"="+v)
	}
	slices.Sort(got)
	if g := strings.Join(got, " "); g != data {
		a.Errorf("%s has %q, want %q", a.info.Participant, g, data)
	}
}

func TestAWriteIsAnsweredByWhatEverybodyIsTold(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.sit("alice", ""), newApp(w.sit("bob", ""))
	var echo rtkwire.StoreItems
	alice.get(protocol.StoreInsertKeys, onStore(`k={"a": 1}`, "l=[]", "nothing"), &echo)
	if got := echo.GetStoreItems(); len(got) != 3 || got[0].GetPeerId() != string(peerOf("alice")) || got[0].GetTimestamp() != fmt.Sprint(w.time().UnixMilli()) {
		t.Errorf("the echo is %v", &echo)
	}
	bob.hear()
	bob.want(`k={"a":1} l=[] nothing={}`)
	alice.get(protocol.StoreDeleteKeys, onStore("l", "never"), &echo)
	if got := echo.GetStoreItems(); len(got) != 2 || got[0].Payload != nil || got[0].GetStoreKey() != "l" {
		t.Errorf("the echo of a deletion is %v", &echo)
	}
	bob.hear()
	bob.want(`k={"a":1} nothing={}`)
	if got := fmt.Sprint(bob.changes); got != `[k={"a":1} l=[] nothing={} l=- never=-]` {
		t.Errorf("bob's subscribers were called with %s", got)
	}
}

func TestWhatAStoreHoldsIsAnswered(t *testing.T) {
	w := newWorld(t)
	alice := w.sit("alice", "")
	alice.get(protocol.StoreInsertKeys, onStore("k=1", "l=2", "m=3"), new(rtkwire.StoreItems))
	alice.get(protocol.StoreDeleteKeys, onStore("m"), new(rtkwire.StoreItems))
	late := newApp(w.sit("late", ""))
	for _, test := range []struct{ ask, want string }{{"", "k=1 l=2"}, {"l", "l=2"}, {"none", ""}} {
		late.data = make(map[string]string)
		request := onStore()
		if test.ask != "" {
			request = onStore(test.ask)
		}
		raw, _ := late.request(protocol.StoreGetKeys, request)
		late.handle(t.Context(), raw)
		late.hear()
		late.want(test.want)
	}
	other := onStore()
	other.StoreName = "another"
	var empty rtkwire.StoreItems
	late.get(protocol.StoreGetKeys, other, &empty)
	if len(empty.GetStoreItems()) > 0 || empty.GetStoreName() != "another" || empty.GetPluginId() != string(meeting) {
		t.Errorf("another store is %v", &empty)
	}
}

// The order in which requests and frames cross on the way, and so what each
// client believes in between, is up to the network; the end must not be.
func TestOfficialClientsThatWriteAtOnceEndWithTheSame(t *testing.T) {
	for _, order := range [][]string{
		{"ak=1", "bk=2", "a!", "b!"}, {"ak=1", "bk=2", "b!", "a!"}, {"ak=1", "a!", "bk=2", "b!"},
		{"ak=1", "bk=-", "b!", "a!"}, {"ak=-", "bk=2", "a!", "b!"}, {"ak=1", "bk=2", "ck=3", "c!", "a!", "b!"},
		{"ak=1", "ak=2", "bk=3", "a!", "b!", "a!"}, {"bk=3", "ak=1", "ak=2", "a!", "b!", "a!"},
		{"bk=3", "ak=1", "ak=2", "b!", "a!", "a!"}, {"ak=1", "bk=2", "a!", "ak=3", "b!", "a!"},
		{"ak=1", "bk=2", "a!", "ah", "ak=3", "b!", "bk=4", "b!", "a!"},
	} {
		t.Run(strings.Join(order, ","), func(t *testing.T) {
			w := newWorld(t)
			apps := map[byte]*app{'a': newApp(w.sit("a", "")), 'b': newApp(w.sit("b", "")), 'c': newApp(w.sit("c", ""))}
			under := make(map[byte][][]byte) // way to the server
			for _, step := range order {
				a := apps[step[0]]
				switch step[1:] {
				case "!":
					w.advance(time.Millisecond)
					a.handle(t.Context(), under[step[0]][0])
					under[step[0]] = under[step[0]][1:]
				case "h":
					a.hear()
				default:
					under[step[0]] = append(under[step[0]], a.write(step[1:]))
				}
			}
			want := ""
			if i := w.stores[kv.Name{Store: "st", Key: "k"}]; !i.Deleted() {
				want = "k=" + string(i.Value)
			}
			for _, a := range apps {
				a.hear()
				a.want(want)
			}
		})
	}
}

// Clients of 2.x do not start without an answer; what is in the stores is shown
// to those who have joined, and to nobody else.
func TestStoresAreEmptyBeforeTheJoinAndShownAtIt(t *testing.T) {
	w := newWorld(t)
	alice := w.sit("alice", "")
	alice.get(protocol.StoreInsertKeys, onStore("k=1"), new(rtkwire.StoreItems))
	bob := newApp(w.connect(peerOf("bob"), "bob"))
	var before rtkwire.StoreItems
	bob.get(protocol.StoreGetKeys, onStore(), &before)
	plugins := onStore()
	plugins.StoreName = kv.Plugins
	bob.get(protocol.StoreGetKeys, plugins, new(rtkwire.StoreItems))
	if len(before.GetStoreItems()) > 0 {
		t.Errorf("before the join the store is %v", &before)
	}
	alice.get(protocol.StoreInsertKeys, onStore("l=2"), new(rtkwire.StoreItems))
	if f := bob.frames(); len(f) > 0 {
		t.Errorf("one who has not joined was sent %v", f)
	}
	for _, event := range []protocol.Event{protocol.StoreInsertKeys, protocol.StoreDeleteKeys} {
		if words := refusedWith(bob.ask(event, onStore("k=3"))); words != "join the meeting first" {
			t.Errorf("a write before the join: %q", words)
		}
	}
	raw, _ := bob.request(protocol.JoinRoom, &rtkwire.JoinRoomRequest{})
	bob.handle(t.Context(), raw)
	bob.hear()
	bob.want("k=1 l=2")
	if got := fmt.Sprint(bob.changes); got != "[k=1 l=2]" {
		t.Errorf("bob's subscribers were called with %s", got)
	}
	alice.get(protocol.StoreInsertKeys, onStore("k=4"), new(rtkwire.StoreItems))
	bob.hear()
	bob.want("k=4 l=2")
}

func TestOnlySoManyStoresAreRememberedForTheJoin(t *testing.T) {
	bob := newWorld(t).connect(peerOf("bob"), "bob")
	for n := range 3 * maxAsked {
		m := onStore()
		m.StoreName = fmt.Sprint(n % (2 * maxAsked))
		bob.get(protocol.StoreGetKeys, m, new(rtkwire.StoreItems))
	}
	if len(bob.asked) != maxAsked {
		t.Errorf("%d are remembered", len(bob.asked))
	}
}

func TestWhoIsBackIsToldWhatItMissedOfTheStores(t *testing.T) {
	w := newWorld(t)
	alice, bob := newApp(w.sit("alice", "")), w.sit("bob", "")
	alice.handle(t.Context(), alice.write("mine=1"))
	alice.handle(t.Context(), alice.write("both=1"))
	alice.handle(t.Context(), alice.write("gone=1"))
	alice.hear()
	alice.room.Disconnect(alice.feed, false)
	bob.get(protocol.StoreInsertKeys, onStore("k=1", "both=2"), new(rtkwire.StoreItems))
	bob.get(protocol.StoreDeleteKeys, onStore("gone"), new(rtkwire.StoreItems))
	alice.seat = w.connect(peerOf("alice"), "alice")
	alice.hear()
	alice.want("both=2 k=1 mine=1")
}

func TestStoreRequestsThatWouldHurtAreRefused(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.sit("alice", ""), w.sit("bob", "")
	bob.frames()
	foreign := onStore("k=1")
	foreign.PluginId = "another"
	unnamed := onStore("k=1")
	unnamed.StoreName = ""
	plugins := onStore("k=1")
	plugins.StoreName = kv.Plugins
	for _, test := range []struct {
		event protocol.Event
		m     *rtkwire.StoreWrite
		want  string
	}{
		{protocol.StoreInsertKeys, foreign, "no plugins"},
		{protocol.StoreGetKeys, foreign, "no plugins"},
		{protocol.StoreGetKeys, unnamed, "the name of a store"},
		{protocol.StoreInsertKeys, unnamed, "the name of a store"},
		{protocol.StoreInsertKeys, plugins, "no plugins"},
		{protocol.StoreInsertKeys, onStore(), "names 1 to 256 keys"},
		{protocol.StoreDeleteKeys, onStore(), "names 1 to 256 keys"},
		{protocol.StoreInsertKeys, onStore("k={"), "not valid JSON"},
		{protocol.StoreInsertKeys, onStore("k=\"\xff\""), "UTF-8"},
		{protocol.StoreInsertKeys, onStore(`k={"__proto__":1}`), "__proto__"},
		{protocol.StoreInsertKeys, onStore("__proto__={}"), "must not be"},
		{protocol.StoreDeleteKeys, onStore("constructor"), "must not be"},
		{protocol.StoreInsertKeys, onStore("k=1", "k=2"), "each key once"},
		{protocol.StoreInsertKeys, onStore(`k="` + strings.Repeat("x", content.MaxValue) + `"`), "too long"},
		{protocol.StoreGetKeys, onStore(make([]string, kv.MaxPairs+1)...), "at most 256 keys"},
	} {
		if words := refusedWith(alice.ask(test.event, test.m)); !strings.Contains(words, test.want) {
			t.Errorf("event %#x, %s: %q", uint32(test.event), test.want, words)
		}
	}
	if f := bob.frames(); len(f) > 0 || len(w.stores) > 0 {
		t.Errorf("others were sent %v, and %v is kept", f, w.stores)
	}
}

func TestWritesToStoresHaveTheirOwnRate(t *testing.T) {
	alice := newWorld(t).sit("alice", "")
	for n := range storeBurst {
		alice.get(protocol.StoreInsertKeys, onStore(fmt.Sprintf("k=%d", n)), new(rtkwire.StoreItems))
	}
	if words := refusedWith(alice.ask(protocol.StoreInsertKeys, onStore("k=1"))); words != "too many writes to stores, wait a little" {
		t.Errorf("one too many: %q", words)
	}
	alice.get(protocol.StoreGetKeys, onStore(), new(rtkwire.StoreItems))
	alice.say("chat goes on")
	alice.advance(time.Second)
	alice.get(protocol.StoreInsertKeys, onStore("k=1"), new(rtkwire.StoreItems))
}
