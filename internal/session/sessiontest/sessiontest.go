// Package sessiontest is the suite that every engine behind package session
// must pass: who comes, who is sent out, when a session ends, and what is kept
// of it all. What the disk does is for the engine's own tests.
package sessiontest

import (
	"context"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/session"
)

// Engine is an opened engine.
type Engine interface {
	session.Store
	session.Reader
	directory.Store
	journal.Store
	// Left records that a peer has left its session, now.
	Left(context.Context, chat.SessionID, chat.PeerID) error
	// Close ends the engine in an orderly way.
	Close() error
}

// Storage is where an engine keeps what it stores. It lasts until the test
// ends.
type Storage interface {
	// Open opens an engine on what is stored. The suite ends one engine, by
	// its Close or by Crash, before it opens the next.
	Open(testing.TB) Engine
	// Crash leaves the storage as the death of the engine's process at this
	// moment would. The suite does not use the engine any more.
	Crash(testing.TB)
}

// Factory gives an empty storage. now is the clock of the engines on it.
type Factory func(t testing.TB, now func() time.Time) Storage

// Run runs the suite, each test on a storage of its own.
func Run(t *testing.T, factory Factory) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"EndIsTheLastLeavingAndTheKeepAlive", endIsTheLastLeavingAndTheKeepAlive},
		{"EndThatFellDueWhileNobodyLooked", endThatFellDueWhileNobodyLooked},
		{"EndThatFellDueWhileTheServerWasDown", endThatFellDueWhileTheServerWasDown},
		{"ClockPutBackDoesNotKeepASession", clockPutBackDoesNotKeepASession},
		{"ClockPutBackDuringAStay", clockPutBackDuringAStay},
		{"PresentAtACrashIsStillPresent", presentAtACrashIsStillPresent},
		{"ClosedMeetingsAreFound", closedMeetingsAreFound},

		{"KickTakesOutThosePeers", kickTakesOutThosePeers},
		{"KickByWhateverName", kickByWhateverName},
		{"KickIsAllOrNothing", kickIsAllOrNothing},
		{"KickNeedsTheRight", kickNeedsTheRight},
		{"KickOfTheLastLetsTheSessionEnd", kickOfTheLastLetsTheSessionEnd},
		{"KickedPeerStaysOut", kickedPeerStaysOut},
		{"KickedPeerSaysNothingMore", kickedPeerSaysNothingMore},
		{"KickAllEndsAtOnce", kickAllEndsAtOnce},
		{"KickAllStaysInForce", kickAllStaysInForce},
		{"KickAllOfNobody", kickAllOfNobody},
		{"KickAllNeedsTheRight", kickAllNeedsTheRight},
		{"KickAllAgainstJoins", kickAllAgainstJoins},
		{"WhereNoSessionIs", whereNoSessionIs},

		{"CountsFollowThePeers", countsFollowThePeers},
		{"RevisionFollowsTheMessages", revisionFollowsTheMessages},
		{"SessionsAreListed", sessionsAreListed},
		{"PeersAreListed", peersAreListed},
		{"EventsTellOfEachStay", eventsTellOfEachStay},
		{"ConsolidatedByParticipant", consolidatedByParticipant},
		{"AppsDoNotSeeEachOther", appsDoNotSeeEachOther},
		{"SearchIsBounded", searchIsBounded},

		{"AnyLifeWithCrashes", anyLifeWithCrashes},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newWorld(t, factory)) })
	}
}
