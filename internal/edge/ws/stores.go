package ws

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/content"
	"github.com/parley-chat/parley/internal/kv"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// The stores that apps share, meeting.stores of the official SDK. The frames
// name a plugin and a store; the plugin is the meeting itself, for there are no
// others here. Clients apply their own writes at once and take no notice when
// they come back, so the frames of a change name its writer; where two peers
// wrote the same key at once, the writer is sent it again under no name and
// takes that over (see Codec.Settled). So everybody ends with the same value.

// maxAsked is how many stores a peer may ask for before it has joined and be
// shown when it has.
const maxAsked = 32

// storeGetKeys tells what a store holds. Nobody sees that before they have
// joined, but clients of the second generation do not start without an answer:
// until then each store is empty, and those asked for are shown at the join.
func (p *peer) storeGetKeys(ctx context.Context, req request) error {
	var m rtkwire.StoreWrite
	if err := req.read(&m); err != nil {
		return err
	}
	if err := p.checkStore(&m); err != nil {
		return err
	}
	if len(m.GetKeys()) > kv.MaxPairs {
		return chat.Refuse(chat.Limited, "a read of a store names at most %d keys", kv.MaxPairs).Beyond("store_pairs")
	}
	joined := p.room.Joined(p.feed)
	if !joined && len(p.asked) < maxAsked && !slices.Contains(p.asked, m.GetStoreName()) {
		p.asked = append(p.asked, m.GetStoreName())
	}
	// That of the plugins stays empty, and is asked for at every join: nobody
	// needs to look.
	if !joined || m.GetStoreName() == kv.Plugins {
		return p.answer(req, &rtkwire.StoreItems{PluginId: m.GetPluginId(), StoreName: m.GetStoreName()})
	}
	keys := make([]string, len(m.GetKeys()))
	for i, k := range m.GetKeys() {
		keys[i] = k.GetStoreKey()
	}
	slot, items, err := p.room.Stored(ctx, p.feed, m.GetStoreName(), keys)
	if err != nil {
		return err
	}
	slot.Fill(storeFrame(req.event, req.id, p.meeting.ID, m.GetStoreName(), items))
	return nil
}

// showStores tells a peer that has just joined what the stores hold that it
// asked for before, as changes: its app is listening for them. The join has been
// answered; one that cannot be shown them stays.
func (p *peer) showStores(ctx context.Context) {
	asked := p.asked
	p.asked = nil
	for _, store := range asked {
		if store == kv.Plugins {
			continue
		}
		slot, items, err := p.room.Stored(ctx, p.feed, store, nil)
		if err != nil {
			p.server.Logger.Error("a peer cannot be shown the stores", "meeting", p.meeting.ID, "err", err)
			return
		}
		var shown []byte
		if len(items) > 0 {
			shown = storeFrame(protocol.StoreInsertKeys, freshID(), p.meeting.ID, store, items)
		}
		slot.Fill(shown)
	}
}

func (p *peer) storeInsertKeys(ctx context.Context, req request) error {
	return p.storeWrite(ctx, req, func(k *rtkwire.StoreKey) (kv.Pair, error) {
		value, err := content.Value(k.GetPayload())
		return kv.Pair{Key: k.GetStoreKey(), Value: value}, err
	})
}

func (p *peer) storeDeleteKeys(ctx context.Context, req request) error {
	return p.storeWrite(ctx, req, func(k *rtkwire.StoreKey) (kv.Pair, error) {
		return kv.Pair{Key: k.GetStoreKey()}, nil
	})
}

// storeWrite hands in a write. When it is committed, what everybody is told of
// it is the answer.
func (p *peer) storeWrite(ctx context.Context, req request, pair func(*rtkwire.StoreKey) (kv.Pair, error)) error {
	if err := p.rates.takeStore(); err != nil {
		return err
	}
	var m rtkwire.StoreWrite
	if err := req.read(&m); err != nil {
		return err
	}
	if err := p.checkStore(&m); err != nil {
		return err
	}
	w := kv.Write{
		Meeting: p.meeting.ID, Participant: p.info.Participant, Peer: p.info.Peer, Store: m.GetStoreName(),
	}
	for _, k := range m.GetKeys() {
		one, err := pair(k)
		if err != nil {
			return err
		}
		w.Pairs = append(w.Pairs, one)
	}
	if !p.room.AllowsStoreWrite(len(req.payload)) {
		return &chat.Error{
			Code: chat.Limited, Message: "the stores of this meeting take no more writes at the moment", RetryAfter: time.Second, Limit: "meeting_store_write_rate",
		}
	}
	if err := p.pending.Acquire(ctx, 1); err != nil {
		return err
	}
	p.server.Stores.Submit(w, req.id, func(err error) {
		p.pending.Release(1)
		if err != nil {
			p.refuse(req, err)
		}
	})
	return nil
}

// checkStore demands a store of the meeting itself.
func (p *peer) checkStore(m *rtkwire.StoreWrite) error {
	if m.GetPluginId() != string(p.meeting.ID) {
		return chat.Refuse(chat.NotFound, "Parley has no plugins: stores are those of the meeting itself")
	}
	return kv.CheckStore(m.GetStoreName())
}

// missedStores gives the frames that tell a peer that is back what it missed of
// the stores. What it wrote itself it knows, unless others wrote that, too.
func (p *peer) missedStores(ctx context.Context, missed room.Missed) ([]byte, error) {
	items, err := p.room.StoredSince(ctx, missed)
	if err != nil {
		return nil, err
	}
	var own, others []kv.Item
	for _, i := range items {
		switch {
		case i.Peer != p.info.Peer:
			others = append(others, i)
		case i.Rival > 0:
			own = append(own, i)
		}
	}
	c := p.server.Codec
	return append(c.stored(p.meeting.ID, freshID(), others), c.Settled(p.meeting.ID, own)...), nil
}

// Stored implements room.Codec. The frame carries the id of the request, as
// those of entries do.
func (c Codec) Stored(change kv.Change) []byte {
	id := change.Settles
	if id == "" {
		id = freshID()
	}
	return c.stored(change.Meeting, id, change.Items)
}

// Settled implements room.Codec: the items name no peer, so that the one who
// wrote them does not pass them over.
func (c Codec) Settled(meeting chat.MeetingID, items []kv.Item) []byte {
	unnamed := slices.Clone(items)
	for i := range unnamed {
		unnamed[i].Peer = ""
	}
	return c.stored(meeting, freshID(), unnamed)
}

// stored gives frames with items that were set or deleted. Each frame is of one
// store and one kind; a change needs one alone.
func (c Codec) stored(meeting chat.MeetingID, id string, items []kv.Item) []byte {
	var frames []byte
	for len(items) > 0 {
		first, n := items[0], 1
		for n < len(items) && items[n].Store == first.Store && items[n].Deleted() == first.Deleted() {
			n++
		}
		event := protocol.StoreInsertKeys
		if first.Deleted() {
			event = protocol.StoreDeleteKeys
		}
		frames = append(frames, storeFrame(event, id, meeting, first.Store, items[:n])...)
		items = items[n:]
	}
	return frames
}

func storeFrame(event protocol.Event, id string, meeting chat.MeetingID, store string, items []kv.Item) []byte {
	wire := make([]*rtkwire.StoreItem, len(items))
	for i, item := range items {
		wire[i] = &rtkwire.StoreItem{
			Timestamp: strconv.FormatInt(item.At, 10), PeerId: string(item.Peer), StoreKey: item.Key, Payload: item.Value,
		}
	}
	return frame(event, id, &rtkwire.StoreItems{PluginId: string(meeting), StoreName: store, StoreItems: wire})
}
