package directory

import "context"

// Watcher is told what has changed, after it is stored: whoever keeps what the
// directory knows, or has told somebody of it, takes it from here. Its methods
// are called by the goroutine of the one who changes something, possibly by
// several at once, and should return soon. They get no error: what was changed
// is changed.
type Watcher interface {
	// MeetingChanged tells that a meeting has other settings or was closed.
	MeetingChanged(context.Context, Meeting)
	// ParticipantChanged tells that a participant has another name, picture or
	// preset; or, when only the id and the meeting are set, is allowed other
	// things than before.
	ParticipantChanged(context.Context, Participant)
	// ParticipantDeleted tells that a participant is no more: its tokens are
	// void.
	ParticipantDeleted(context.Context, Participant)
	// PresetChanged tells that a preset, and so all who have it, may do other
	// things than before.
	PresetChanged(context.Context, Preset)
}

// Watch sets who is told of changes; nobody is to begin with. It must be called
// before the service is used.
func (s *Service) Watch(w Watcher) { s.watch = w }

// nobody watches.
type nobody struct{}

func (nobody) MeetingChanged(context.Context, Meeting)         {}
func (nobody) ParticipantChanged(context.Context, Participant) {}
func (nobody) ParticipantDeleted(context.Context, Participant) {}
func (nobody) PresetChanged(context.Context, Preset)           {}
