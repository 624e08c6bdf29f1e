package peer_test

import (
	"testing"

	"github.com/parley-chat/parley/test/peer"
)

func TestNoTwoRequestsOfAPeerHaveOneName(t *testing.T) {
	p := &peer.Peer{ID: "p"}
	seen := make(map[string]bool)
	for range 50_000 { // drawn by lot, some 75 of these would be twice
		id := p.NewID()
		if seen[id] || len(id) != len("p-")+6 {
			t.Fatalf("%q, after %d others", id, len(seen))
		}
		seen[id] = true
	}
}
