package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/chat"
)

// ErrNoPreset is the ErrNotFound of a preset that a wish has named, where the
// thing wished for has parents that could be missing too.
var ErrNoPreset = fmt.Errorf("preset %w", ErrNotFound)

// Store is what the directory needs of an engine. Each method is one
// transaction; what it stores is durable when it returns. Ids belong to
// exactly one app: asked for with another app they give ErrNotFound, as if
// they did not exist. Lists are ordered by creation, newest first, and come
// with the number of all rows that match.
type Store interface {
	// PutApp stores an app together with its presets.
	PutApp(context.Context, App, []Preset) error
	App(context.Context, chat.AppID) (App, error)
	// Apps lists the apps of an account.
	Apps(ctx context.Context, account string, list List) ([]App, int, error)
	// PutMeeting stores a meeting with an empty journal of this epoch. It gives
	// ErrNotFound where the meeting's app is unknown.
	PutMeeting(ctx context.Context, meeting Meeting, epoch string) error
	Meeting(context.Context, chat.AppID, chat.MeetingID) (Meeting, error)
	Meetings(context.Context, chat.AppID, List) ([]Meeting, int, error)
	// PutParticipant stores a participant with the preset named, and gives that
	// preset's id. It gives ErrNotFound where the app has no such meeting, and
	// ErrNoPreset where it has no such preset.
	PutParticipant(context.Context, chat.AppID, Participant) (chat.PresetID, error)
	Participant(context.Context, chat.AppID, chat.MeetingID, chat.ParticipantID) (Participant, error)
	// Participants gives ErrNotFound where the app has no such meeting.
	Participants(context.Context, chat.AppID, chat.MeetingID, List) ([]Participant, int, error)
	// ChangeMeeting, ChangeParticipant and ChangePreset store what change makes
	// of the thing as it stands in the transaction, and give that. change may
	// be called more than once; its errors are given on, and nothing changes.
	// What decides afterwards, and in the same transaction, goes by the new
	// values.
	ChangeMeeting(ctx context.Context, app chat.AppID, id chat.MeetingID, change func(*Meeting) error) (Meeting, error)
	// ChangeParticipant looks up the preset by the name that change leaves; one
	// that is unknown gives ErrNoPreset.
	ChangeParticipant(ctx context.Context, app chat.AppID, meeting chat.MeetingID, id chat.ParticipantID, change func(*Participant) error) (Participant, error)
	// DeleteParticipant gives the participant as it was. What the participant
	// has said stays.
	DeleteParticipant(ctx context.Context, app chat.AppID, meeting chat.MeetingID, id chat.ParticipantID) (Participant, error)
	// PutPreset stores a preset. It gives ErrTaken where the app has one of that
	// name, and ErrNotFound where the app is unknown.
	PutPreset(context.Context, Preset) error
	// ChangePreset gives ErrTaken where the new name is that of another preset.
	ChangePreset(ctx context.Context, app chat.AppID, id chat.PresetID, change func(*Preset) error) (Preset, error)
	// DeletePreset gives the preset as it was, or ErrInUse while participants
	// have it, in whatever meeting.
	DeletePreset(ctx context.Context, app chat.AppID, id chat.PresetID) (Preset, error)
	Preset(ctx context.Context, app chat.AppID, id chat.PresetID) (Preset, error)
	PresetNamed(ctx context.Context, app chat.AppID, name string) (Preset, error)
	Presets(context.Context, chat.AppID, List) ([]Preset, int, error)
	// Overrule stores the overrides that change leaves in the subjects, which
	// are the participants named, in their order, the same for the same id; ruler
	// is by. A participant whom the meeting does not have gives ErrNotFound.
	Overrule(ctx context.Context, meeting chat.MeetingID, by chat.ParticipantID, of []chat.ParticipantID,
		change func(ruler Overruled, subjects []*Overruled) error) error
	// Access gives the preset with the participant's override laid over it. It
	// gives ErrNotFound where the meeting has no such participant.
	Access(context.Context, chat.MeetingID, chat.ParticipantID) (Access, error)
}

// Page is one page of a list.
type Page[T any] struct {
	Rows []T
	// Offset is how many rows come before the page, Total how many there are
	// on all pages.
	Offset, Total int
}

// Service makes and finds the things of the directory. Make it with New; it is
// safe for concurrent use. What it refuses, it refuses with a *chat.Error of
// code Invalid, or with ErrNotFound.
type Service struct {
	store Store
	now   func() time.Time
	watch Watcher
}

// New makes a directory over a store. now is the clock by which things are
// dated.
func New(store Store, now func() time.Time) *Service {
	return &Service{store: store, now: now, watch: nobody{}}
}

// clock gives the time as precisely as the store keeps it.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// after dates a change of something that was last changed at a time: later than
// that, also where the clock has stepped back.
func (s *Service) after(last time.Time) time.Time {
	now := s.clock()
	if next := last.Add(time.Millisecond); now.Before(next) {
		return next
	}
	return now
}

// set takes over a wish, if there is one.
func set[T any](value *T, wish *T) {
	if wish != nil {
		*value = *wish
	}
}

func newID() (string, error) {
	id, err := uuid.NewV4()
	if err != nil {
		return "", fmt.Errorf("making an id: %w", err)
	}
	return id.String(), nil
}

// CreateApp makes an app with the default presets.
func (s *Service) CreateApp(ctx context.Context, account, name string) (App, error) {
	if err := checkRequired("account_id", account, MaxAccount); err != nil {
		return App{}, err
	}
	if err := checkRequired("name", name, MaxName); err != nil {
		return App{}, err
	}
	id, err := newID()
	if err != nil {
		return App{}, err
	}
	app := App{ID: chat.AppID(id), Account: account, Name: name, CreatedAt: s.clock()}
	presets, err := s.defaultPresets(app)
	if err != nil {
		return App{}, err
	}
	if err := s.store.PutApp(ctx, app, presets); err != nil {
		return App{}, fmt.Errorf("creating an app: %w", err)
	}
	return app, nil
}

func (s *Service) defaultPresets(app App) ([]Preset, error) {
	presets, err := DefaultPresets()
	if err != nil {
		return nil, err
	}
	for i := range presets {
		id, err := newID()
		if err != nil {
			return nil, err
		}
		presets[i].ID, presets[i].App = chat.PresetID(id), app.ID
		presets[i].CreatedAt, presets[i].UpdatedAt = app.CreatedAt, app.CreatedAt
	}
	return presets, nil
}

// App finds an app.
func (s *Service) App(ctx context.Context, id chat.AppID) (App, error) {
	app, err := s.store.App(ctx, id)
	if err != nil {
		return App{}, fmt.Errorf("finding an app: %w", err)
	}
	return app, nil
}

// Apps lists the apps of an account.
func (s *Service) Apps(ctx context.Context, account string, list List) (Page[App], error) {
	return page(list, "apps", func(l List) ([]App, int, error) { return s.store.Apps(ctx, account, l) })
}

// Access finds all that is to be known of a participant who knocks, in one
// query. It does not judge: the caller compares the app with that of the token,
// and looks whether the meeting is active.
func (s *Service) Access(ctx context.Context, meeting chat.MeetingID, participant chat.ParticipantID) (Access, error) {
	access, err := s.store.Access(ctx, meeting, participant)
	if err != nil {
		return Access{}, fmt.Errorf("finding a participant's access: %w", err)
	}
	return access, nil
}

// page reads one page with the list brought into its limits. The total covers
// the rows even when some were added while it was counted.
func page[T any](list List, of string, read func(List) ([]T, int, error)) (Page[T], error) {
	if err := list.check(); err != nil {
		return Page[T]{}, err
	}
	list = list.Normalise()
	rows, total, err := read(list)
	if err != nil {
		return Page[T]{}, fmt.Errorf("listing %s: %w", of, err)
	}
	if len(rows) > 0 {
		total = max(total, list.Offset()+len(rows))
	}
	return Page[T]{Rows: rows, Offset: list.Offset(), Total: total}, nil
}
