package room

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
)

// BenchmarkTell is the work of a room alone: entries told to 500 peers that
// read at once, without sockets. One operation is one delivery.
func BenchmarkTell(b *testing.B) {
	const peers = 500
	for _, inFlight := range []int{1, 32} {
		b.Run(fmt.Sprint(inFlight, " in flight"), func(b *testing.B) {
			store := &memory{entries: make(map[chat.MeetingID][]journal.Entry)}
			hub := NewHub(Config{}, lines{}, store, &rows{seen: make(map[chat.PeerID]uint64)})
			ctx, cancel := context.WithCancel(b.Context())
			entries := make([]journal.Entry, inFlight)
			for i := range entries {
				entries[i].Meeting = meeting
				entries[i].Event.Message.Content.Payload = strings.Repeat("x", 200)
			}
			round := int64(inFlight) * 201
			var reading, arrived sync.WaitGroup
			for n := range peers {
				info := Info{Peer: chat.PeerID(fmt.Sprint("p", n)), Participant: chat.ParticipantID(fmt.Sprint("p", n))}
				c, err := hub.Connect(ctx, meeting, info)
				if err != nil {
					b.Fatal(err)
				}
				c.Room.Join(c.Feed, info, session, nil)
			}
			r, err := hub.Room(ctx, meeting)
			if err != nil {
				b.Fatal(err)
			}
			for _, f := range r.feeds {
				f.cursor, f.queue = r.log.end, nil // what was said of the joins is not counted
				reading.Go(func() { readRounds(ctx, f, round, arrived.Done) })
			}
			seq := uint64(0)
			b.ResetTimer()
			for done := 0; done < b.N; done += peers * inFlight {
				for i := range entries {
					seq++
					entries[i].Seq = seq
				}
				arrived.Add(peers)
				hub.Observe(entries)
				arrived.Wait()
			}
			b.StopTimer()
			cancel()
			reading.Wait()
		})
	}
}

// readRounds calls done whenever a round of bytes has come.
func readRounds(ctx context.Context, f *Feed, round int64, done func()) {
	var bufs [][]byte
	var got int64
	for {
		var err error
		if bufs, err = f.Next(ctx, bufs); err != nil {
			return
		}
		for _, b := range bufs {
			got += int64(len(b))
		}
		for ; got >= round; got -= round {
			done()
		}
	}
}

// BenchmarkJoin is what it costs a room that one more peer joins, is shown who
// is here, and leaves again, by how many are here. It has to grow with the
// list that is shown, and no further.
func BenchmarkJoin(b *testing.B) {
	for _, here := range []int{10, 100, 1_000, 10_000} {
		b.Run(fmt.Sprint(here, " here"), func(b *testing.B) {
			store := &memory{entries: make(map[chat.MeetingID][]journal.Entry)}
			hub := NewHub(Config{}, lines{}, store, &rows{seen: make(map[chat.PeerID]uint64)})
			b.Cleanup(hub.Close)
			join := func(name string) *Connection {
				info := Info{Peer: chat.PeerID(name), Participant: chat.ParticipantID(name), Name: strings.Repeat(name, 20), Rights: sociable}
				c, err := hub.Connect(b.Context(), meeting, info)
				if err != nil {
					b.Fatal(err)
				}
				c.Room.Join(c.Feed, info, session, []byte("welcome\n"))
				slot, list := c.Room.Present(c.Feed)
				slot.Fill(nil, list...)
				return c
			}
			for n := range here - 1 {
				join(fmt.Sprint("p", n))
			}
			b.ResetTimer()
			for n := 0; b.Loop(); n++ {
				c := join(fmt.Sprint("late", n))
				if bufs, err := c.take(nil); err != nil || len(bufs) == 0 {
					b.Fatal(len(bufs), err)
				}
				c.Room.Disconnect(c.Feed, true)
			}
		})
	}
}
