// Package journaltest is the suite that every engine behind a journal must
// pass. It drives the engine through a journal.Journal, as the server does, and
// looks at it through its interfaces only; what lies on its disk, and what
// happens when the disk is full or lies, is for the engine's own tests.
package journaltest

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
	journal.Store
	session.Store
	Directory
	// Left records that a peer has left its session.
	Left(context.Context, chat.SessionID, chat.PeerID) error
	// Close ends the engine in an orderly way.
	Close() error
}

// Directory is how the suite sets up its meetings: the part of directory.Store
// that it needs.
type Directory interface {
	PutApp(context.Context, directory.App, []directory.Preset) error
	PutMeeting(ctx context.Context, meeting directory.Meeting, epoch string) error
	PutParticipant(context.Context, chat.AppID, directory.Participant) (chat.PresetID, error)
	ChangeMeeting(context.Context, chat.AppID, chat.MeetingID, func(*directory.Meeting) error) (directory.Meeting, error)
	ChangeParticipant(context.Context, chat.AppID, chat.MeetingID, chat.ParticipantID,
		func(*directory.Participant) error) (directory.Participant, error)
	DeleteParticipant(context.Context, chat.AppID, chat.MeetingID, chat.ParticipantID) (directory.Participant, error)
	ChangePreset(context.Context, chat.AppID, chat.PresetID, func(*directory.Preset) error) (directory.Preset, error)
	Overrule(ctx context.Context, meeting chat.MeetingID, by chat.ParticipantID, of []chat.ParticipantID,
		change func(directory.Overruled, []*directory.Overruled) error) error
}

// Storage is where an engine keeps what it stores. It lasts until the test
// ends.
type Storage interface {
	// Open opens an engine on what is stored. The suite ends one engine, by
	// its Close or by Crash, before it opens the next.
	Open(testing.TB) Engine
	// Crash leaves the storage as the death of the engine's process at this
	// moment would. The suite does not use the engine any more, but a
	// transaction may be under way in it; whatever is left of the engine is
	// to be gone when the test ends.
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
		{"OrderUnderConcurrentWriters", orderUnderConcurrentWriters},
		{"FollowersWhileOthersWrite", followersWhileOthersWrite},
		{"PagesWhileOthersWrite", pagesWhileOthersWrite},
		{"OrderOfOneSubmitter", orderOfOneSubmitter},
		{"ToldBeforeAnswered", toldBeforeAnswered},
		{"ClockStepsBack", clockStepsBack},
		{"OwnEntryIsRecognised", ownEntryIsRecognised},

		{"RefusedCommandLeavesNoTrace", refusedCommandLeavesNoTrace},
		{"FailedJobDoesNotHurtItsBatch", failedJobDoesNotHurtItsBatch},
		{"UnknownMeeting", unknownMeeting},
		{"PresetDecidesWhoReceives", presetDecidesWhoReceives},
		{"RulesOfTheMeeting", rulesOfTheMeeting},
		{"SlowMode", slowMode},
		{"ChangesCountAtOnce", changesCountAtOnce},
		{"RemovalsCountAtOnce", removalsCountAtOnce},

		{"RepeatedSendIsOneMessage", repeatedSendIsOneMessage},
		{"RepeatedSendAtTheSameTime", repeatedSendAtTheSameTime},
		{"RepeatOutlivesTheMessage", repeatOutlivesTheMessage},
		{"RepeatOutlivesTheProcess", repeatOutlivesTheProcess},
		{"ClientIDWithOtherContentIsRefused", clientIDWithOtherContentIsRefused},
		{"ClientIDsOfOthersDoNotMeet", clientIDsOfOthersDoNotMeet},

		{"AppsSpeakInTheirMeetings", appsSpeakInTheirMeetings},
		{"AppsDeleteAtAnyTime", appsDeleteAtAnyTime},
		{"KeysMakeOneMessage", keysMakeOneMessage},
		{"KeysAtTheSameTime", keysAtTheSameTime},

		{"CursorsAnywhere", cursorsAnywhere},
		{"PagesOfEachFilter", pagesOfEachFilter},
		{"BoundsAreInclusive", boundsAreInclusive},
		{"PagesAheadOfTheClock", pagesAheadOfTheClock},
		{"PageBeforeAnEntry", pageBeforeAnEntry},
		{"DeletedIsGone", deletedIsGone},
		{"PrivateStaysPrivate", privateStaysPrivate},
		{"PrivateTrafficIsNotCounted", privateTrafficIsNotCounted},
		{"EarlierSessionsAreHidden", earlierSessionsAreHidden},
		{"EarlierSessionsArePersisted", earlierSessionsArePersisted},

		{"ListsOfEachFilter", listsOfEachFilter},
		{"ListsWhileOthersWrite", listsWhileOthersWrite},
		{"ChangesOfAMessage", changesOfAMessage},

		{"NothingChangesByReopening", nothingChangesByReopening},
		{"CrashAmidATransaction", crashAmidATransaction},
		{"RandomHistories", randomHistories},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newWorld(t, factory)) })
	}
}
