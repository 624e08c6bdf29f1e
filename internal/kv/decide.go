package kv

import (
	"slices"

	"github.com/parley-chat/parley/internal/chat"
)

// Limits of stores.
const (
	// MaxName is the longest name of a store, and the longest key, in bytes.
	MaxName = 256
	// MaxPairs is how many keys one write may name.
	MaxPairs = 256
	// MaxKeys is how many keys the stores of one meeting may have together.
	MaxKeys = 1000
	// MaxBytes is what they may hold together: names, keys and values, each
	// time they occur.
	MaxBytes = 256 << 10
	// MaxDeleted is how many deleted keys are remembered for those who come
	// back, at least; twice that at most.
	MaxDeleted = 1000
)

// Plugins is the store in which clients of 2.x keep which plugins run. There
// are none here, so it stays empty.
const Plugins = "__rtk_plugins__"

// inherited are the keys under which every JavaScript object has something
// already. Clients keep what a store holds in plain objects: one of these keys
// would break them, and with them all who share the store.
var inherited = []string{
	"__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "constructor",
	"hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
}

// Totals counts what a session's stores hold.
type Totals struct {
	Keys, Bytes int
	// Deleted is how many deleted keys are remembered.
	Deleted int
	// At is that of the last change.
	At int64
}

// State is what a write is decided on.
type State struct {
	// Active says that the meeting is open; Session is the live one, or "".
	Active  bool
	Session chat.SessionID
	// Participant says that the writer belongs to the meeting.
	Participant bool
	Totals      Totals
	// Before has those of the keys written that are there, or are remembered as
	// deleted.
	Before map[string]Item
}

// Decide tells what comes of a write at a time: the change, and the totals
// after it. It is pure. Its errors are refusals.
func Decide(w Write, s State, now int64) (Change, Totals, error) {
	if err := w.check(); err != nil {
		return Change{}, Totals{}, err
	}
	switch {
	case !s.Participant:
		return Change{}, Totals{}, chat.Refuse(chat.Forbidden, "you do not belong to this meeting")
	case !s.Active:
		return Change{}, Totals{}, chat.Refuse(chat.Forbidden, "the meeting is closed")
	case s.Session == "":
		return Change{}, Totals{}, chat.Refuse(chat.Forbidden, "the meeting has no live session")
	}
	t := s.Totals
	t.At = max(now, t.At+1)
	c := Change{Meeting: w.Meeting, Session: s.Session, Peer: w.Peer, At: t.At}
	for _, pair := range w.Pairs {
		item := Item{Name: Name{w.Store, pair.Key}, Value: pair.Value, Peer: w.Peer, At: t.At}
		before, known := s.Before[pair.Key]
		switch {
		case known && before.Peer == w.Peer:
			item.Rival = before.Rival
		case known:
			item.Rival = before.At
		}
		if known {
			t.count(before, -1)
		}
		t.count(item, 1)
		c.Items = append(c.Items, item)
	}
	if t.Keys > max(MaxKeys, s.Totals.Keys) {
		return Change{}, Totals{}, chat.Refuse(chat.Limited, "the stores of a meeting may have at most %d keys together", MaxKeys).Beyond("store_keys")
	}
	if t.Bytes > max(MaxBytes, s.Totals.Bytes) {
		return Change{}, Totals{}, chat.Refuse(chat.Limited, "the stores of a meeting may hold at most %d bytes together", MaxBytes).Beyond("store_bytes")
	}
	return c, t, nil
}

func (t *Totals) count(i Item, n int) {
	if i.Deleted() {
		t.Deleted += n
	} else {
		t.Keys += n
	}
	t.Bytes += n * i.bytes()
}

// CheckStore tells whether a store may go by a name.
func CheckStore(name string) error {
	if name == "" || len(name) > MaxName {
		return chat.Refuse(chat.Invalid, "the name of a store has 1 to %d bytes", MaxName).Beyond("store_name_length")
	}
	return chat.CheckString(name)
}

// check tells what is wrong with a write whatever the state.
func (w Write) check() error {
	if err := CheckStore(w.Store); err != nil {
		return err
	}
	if w.Store == Plugins {
		return chat.Refuse(chat.Forbidden, "the store %s stays empty: Parley has no plugins", Plugins)
	}
	if len(w.Pairs) == 0 || len(w.Pairs) > MaxPairs {
		return chat.Refuse(chat.Invalid, "a write to a store names 1 to %d keys", MaxPairs).Beyond("store_pairs")
	}
	seen := make(map[string]bool, len(w.Pairs))
	for _, p := range w.Pairs {
		switch {
		case p.Key == "" || len(p.Key) > MaxName:
			return chat.Refuse(chat.Invalid, "a key of a store has 1 to %d bytes", MaxName).Beyond("store_name_length")
		case slices.Contains(inherited, p.Key):
			return chat.Refuse(chat.Invalid, "a key of a store must not be %q", p.Key)
		case seen[p.Key]:
			return chat.Refuse(chat.Invalid, "a write to a store names each key once")
		}
		if err := chat.CheckString(p.Key); err != nil {
			return err
		}
		seen[p.Key] = true
	}
	return nil
}
