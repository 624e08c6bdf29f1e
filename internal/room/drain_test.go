package room

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// TestDrainEndsConnectionsOneAfterTheOther counts how many have ended as time
// goes by.
func TestDrainEndsConnectionsOneAfterTheOther(t *testing.T) {
	for name, test := range map[string]struct {
		peers int
		takes time.Duration
	}{
		"few":  {20, 4 * time.Millisecond},
		"some": {2000, 400 * time.Millisecond},
		"many": {20_000, maxDrain},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				crowd := make([]*Connection, test.peers)
				for i := range crowd {
					id := chat.PeerID(fmt.Sprintf("p%d", i))
					info := Info{Peer: id, Participant: chat.ParticipantID(id)}
					c, err := w.hub.Connect(t.Context(), chat.MeetingID(fmt.Sprint("m", i%10)), info)
					if err != nil {
						t.Fatal(err)
					}
					crowd[i] = c
				}
				ended := func() (n int) {
					for _, c := range crowd {
						c.Room.mu.Lock()
						if c.ending == ClosedRestart {
							n++
						}
						c.Room.mu.Unlock()
					}
					return n
				}
				drained := make(chan struct{})
				began := time.Now()
				go func() { defer close(drained); w.hub.Drain() }()
				if half := test.takes / 2; half >= 2*drainStep {
					<-time.After(half)
					synctest.Wait()
					if n := ended(); n < test.peers*4/10 || n > test.peers*6/10 {
						t.Errorf("%d of %d have ended after half the time", n, test.peers)
					}
				}
				<-drained
				if n, took := ended(), time.Since(began); n != test.peers || took > test.takes {
					t.Errorf("%d of %d have ended in %v", n, test.peers, took)
				}
				w.hub.Close()
			})
		})
	}
}
