package directorytest

import (
	"context"

	"github.com/parley-chat/parley/internal/directory"
)

// diaryWatcher writes down what it is told.
type diaryWatcher struct{ *diary }

func (d diaryWatcher) MeetingChanged(_ context.Context, m directory.Meeting) {
	d.note("meeting " + m.Title)
}

func (d diaryWatcher) ParticipantChanged(_ context.Context, p directory.Participant) {
	d.note("participant " + p.Name)
}

func (d diaryWatcher) ParticipantDeleted(_ context.Context, p directory.Participant) {
	d.note("deleted " + p.Name)
}

func (d diaryWatcher) PresetChanged(_ context.Context, p directory.Preset) {
	d.note("preset " + p.Name)
}
