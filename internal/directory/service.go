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
	PresetNamed(ctx context.Context, app chat.AppID, name string) (Preset, error)
	Presets(context.Context, chat.AppID, List) ([]Preset, int, error)
	// Access gives ErrNotFound where the meeting has no such participant.
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
}

// New makes a directory over a store. now is the clock by which things are
// dated.
func New(store Store, now func() time.Time) *Service {
	return &Service{store: store, now: now}
}

// clock gives the time as precisely as the store keeps it.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

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

// NewMeeting is what may be wished of a new meeting. The zero value is a
// meeting without a title that forgets its chat with each session.
type NewMeeting struct {
	Title       string
	PersistChat bool
	// KeepAlive is in whole seconds, at most MaxKeepAlive; 0 means
	// DefaultKeepAlive.
	KeepAlive time.Duration
	Settings  Settings
}

func (m NewMeeting) check() error {
	if err := checkText("title", m.Title, MaxTitle); err != nil {
		return err
	}
	if err := checkKeepAlive(m.KeepAlive); err != nil {
		return err
	}
	if err := checkConfig("ai_config", m.Settings.AIConfig); err != nil {
		return err
	}
	return checkConfig("recording_config", m.Settings.RecordingConfig)
}

// CreateMeeting makes a meeting of an app, open for everybody added to it.
func (s *Service) CreateMeeting(ctx context.Context, app chat.AppID, wish NewMeeting) (Meeting, error) {
	if wish.KeepAlive == 0 {
		wish.KeepAlive = DefaultKeepAlive
	}
	if err := wish.check(); err != nil {
		return Meeting{}, err
	}
	id, err := newID()
	if err != nil {
		return Meeting{}, err
	}
	epoch, err := newID()
	if err != nil {
		return Meeting{}, err
	}
	now := s.clock()
	meeting := Meeting{
		ID: chat.MeetingID(id), App: app, Title: wish.Title, Active: true, PersistChat: wish.PersistChat,
		KeepAlive: wish.KeepAlive, Settings: wish.Settings, CreatedAt: now, UpdatedAt: now,
	}
	if err := s.store.PutMeeting(ctx, meeting, epoch); err != nil {
		return Meeting{}, fmt.Errorf("creating a meeting: %w", err)
	}
	return meeting, nil
}

// Meeting finds a meeting of an app.
func (s *Service) Meeting(ctx context.Context, app chat.AppID, id chat.MeetingID) (Meeting, error) {
	meeting, err := s.store.Meeting(ctx, app, id)
	if err != nil {
		return Meeting{}, fmt.Errorf("finding a meeting: %w", err)
	}
	return meeting, nil
}

// Meetings lists the meetings of an app.
func (s *Service) Meetings(ctx context.Context, app chat.AppID, list List) (Page[Meeting], error) {
	return page(list, "meetings", func(l List) ([]Meeting, int, error) { return s.store.Meetings(ctx, app, l) })
}

// NewParticipant is what may be wished of a new participant. CustomID and
// PresetName are required.
type NewParticipant struct {
	// CustomID need not be unique: the same person may be added twice.
	CustomID      string
	Name, Picture string
	PresetName    string
}

func (p NewParticipant) check() error {
	if err := checkRequired("custom_participant_id", p.CustomID, MaxCustomID); err != nil {
		return err
	}
	if err := checkRequired("preset_name", p.PresetName, MaxName); err != nil {
		return err
	}
	if err := checkText("name", p.Name, MaxName); err != nil {
		return err
	}
	return checkPicture(p.Picture)
}

// AddParticipant adds a person to a meeting of an app. An unknown preset gives
// ErrNoPreset, which is an ErrNotFound.
func (s *Service) AddParticipant(ctx context.Context, app chat.AppID, meeting chat.MeetingID, wish NewParticipant) (Participant, error) {
	if err := wish.check(); err != nil {
		return Participant{}, err
	}
	id, err := newID()
	if err != nil {
		return Participant{}, err
	}
	now := s.clock()
	p := Participant{
		ID: chat.ParticipantID(id), Meeting: meeting, CustomID: wish.CustomID, Name: wish.Name, Picture: wish.Picture,
		PresetName: wish.PresetName, CreatedAt: now, UpdatedAt: now,
	}
	if p.Preset, err = s.store.PutParticipant(ctx, app, p); err != nil {
		return Participant{}, fmt.Errorf("adding a participant: %w", err)
	}
	return p, nil
}

// Participant finds a participant of a meeting of an app.
func (s *Service) Participant(ctx context.Context, app chat.AppID, meeting chat.MeetingID, id chat.ParticipantID) (Participant, error) {
	p, err := s.store.Participant(ctx, app, meeting, id)
	if err != nil {
		return Participant{}, fmt.Errorf("finding a participant: %w", err)
	}
	return p, nil
}

// Participants lists the participants of a meeting of an app.
func (s *Service) Participants(ctx context.Context, app chat.AppID, meeting chat.MeetingID, list List) (Page[Participant], error) {
	return page(list, "participants", func(l List) ([]Participant, int, error) {
		return s.store.Participants(ctx, app, meeting, l)
	})
}

// PresetNamed finds a preset of an app by its name, to the letter.
func (s *Service) PresetNamed(ctx context.Context, app chat.AppID, name string) (Preset, error) {
	preset, err := s.store.PresetNamed(ctx, app, name)
	if err != nil {
		return Preset{}, fmt.Errorf("finding a preset: %w", err)
	}
	return preset, nil
}

// Presets lists the presets of an app.
func (s *Service) Presets(ctx context.Context, app chat.AppID, list List) (Page[Preset], error) {
	return page(list, "presets", func(l List) ([]Preset, int, error) { return s.store.Presets(ctx, app, l) })
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
