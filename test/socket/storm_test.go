package socket_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/server"
	"github.com/parley-chat/parley/test/peer"
)

// crowd is many people in some meetings.
type crowd struct {
	*world
	people []person
	peers  []*peer.Peer
}

func newCrowd(t *testing.T, meetings, each int) *crowd {
	c := &crowd{world: newWorld(t)}
	for range meetings {
		m := c.newMeeting(directory.NewMeeting{})
		for range each {
			c.people = append(c.people, c.inviteTo(m.ID, "Somebody", "group_call_host"))
		}
	}
	c.peers = make([]*peer.Peer, len(c.people))
	c.everybody(func(i int) error {
		var err error
		c.peers[i], err = peer.Dial(c.ctx, c.url(), c.people[i].token, peer.Options{Meeting: string(c.people[i].meeting)})
		if err != nil {
			return err
		}
		_, err = c.peers[i].Join(c.ctx, "")
		return err
	})
	t.Cleanup(func() {
		for _, p := range c.peers {
			p.Cut()
		}
	})
	return c
}

// everybody does something, all at once.
func (c *crowd) everybody(do func(i int) error) {
	c.Helper()
	var doing sync.WaitGroup
	for i := range c.people {
		doing.Go(func() {
			if err := do(i); err != nil {
				c.Errorf("person %d: %v", i, err)
			}
		})
	}
	if doing.Wait(); c.Failed() {
		c.FailNow()
	}
}

// back connects everybody anew, by their old peer ids, and asks for the
// history as official clients do.
func (c *crowd) back(want []string) {
	c.Helper()
	c.everybody(func(i int) error {
		c.peers[i].Cut()
		var err error
		c.peers[i], err = peer.Dial(c.ctx, c.url(), c.people[i].token, peer.Options{ID: c.peers[i].ID, Meeting: string(c.people[i].meeting)})
		if err != nil {
			return err
		}
		if _, err := c.peers[i].Join(c.ctx, ""); err != nil {
			return err
		}
		messages, err := c.peers[i].History(c.ctx)
		if err != nil {
			return err
		}
		var texts []string
		for _, m := range messages {
			texts = append(texts, m.GetPayload())
		}
		if !slices.Equal(texts, want) {
			c.Errorf("person %d is given %q, want %q", i, texts, want)
		}
		return nil
	})
}

// TestStormReadsEachMeetingOnce cuts everybody off at once, twice, and restarts
// the server with everybody in.
func TestStormReadsEachMeetingOnce(t *testing.T) {
	t.Parallel()
	const meetings, each = 4, 50
	c := newCrowd(t, meetings, each)
	for i := 0; i < len(c.people); i += each {
		c.say(c.peers[i], "hello")
	}
	storm := func(what string, readings, lookups uint64, before server.Counts) {
		t.Helper()
		c.back([]string{"hello"})
		after := c.server.Counts()
		if n := after.Histories.Misses - before.Histories.Misses; n != readings {
			t.Errorf("%s: histories were read %d times, want %d", what, n, readings)
		}
		if n := after.LookupMisses - before.LookupMisses; n > lookups {
			t.Errorf("%s: %d people were looked up, want %d", what, n, lookups)
		}
	}
	storm("the first time", meetings, 0, c.server.Counts())
	storm("the second time", 0, 0, c.server.Counts())
	c.restart()
	storm("after a restart", meetings, meetings*each, server.Counts{})
}
