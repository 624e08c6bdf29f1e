// Package export gives what was said in a session as a file: the chat dump of
// the official product, exactly, and a variant for spreadsheets. It holds the
// public messages as they stand; what was deleted or was private is not in it,
// because the file could not tell that, and who has the link has the file.
//
// A file is made when it is first asked for and kept for as long as nothing in
// its session changes. When a session ends, its dump is made and its webhooks
// are told (meeting.chatSynced).
package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/blob"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/tally"
)

// Format is a form of the file.
type Format string

// The formats.
const (
	// CSV is the file of the official product, byte for byte what was said.
	CSV Format = "csv"
	// SafeCSV puts an apostrophe before fields that a spreadsheet would take for
	// a formula. It is not what was said.
	SafeCSV Format = "safe-csv"
)

// Known tells whether there is such a format.
func (f Format) Known() bool { return f == CSV || f == SafeCSV }

// Session is what is to be known of a session whose chat is exported.
type Session struct {
	ID      chat.SessionID
	App     chat.AppID
	AppName string
	Meeting chat.MeetingID
	Title   string
	// EndedAt is zero while the session lives.
	StartedAt, EndedAt time.Time
	// Revision grows with every change to a public message of the session. If
	// private ones counted, a file made anew would tell that somebody whispered.
	Revision uint64
}

// ErrNotFound says that there is no such session, or not in this app.
var ErrNotFound = errors.New("no such session")

// Dump is a file that was made.
type Dump struct {
	Session  chat.SessionID
	Format   Format
	Revision uint64
	// Key is where in the blob store it lies.
	Key    string
	Size   int64
	MadeAt time.Time
}

// Source is where messages are read.
type Source interface {
	// SessionMessages gives each the public messages of a session as they stand,
	// in order, from those after a seq on, without deleted ones; it looks at no
	// more than limit entries. A message is lent until each returns. It gives the
	// seq to go on after, 0 at the end. One that is damaged on disk is an error.
	SessionMessages(ctx context.Context, id chat.SessionID, after uint64, limit int, each func(*chat.Message) error) (next uint64, err error)
}

// Store is what exports need of an engine.
type Store interface {
	Source
	// ExportSession gives ErrNotFound where there is no such session.
	ExportSession(context.Context, chat.SessionID) (Session, error)
	// Dump gives the newest dump of a session that was made, if there is one.
	Dump(context.Context, chat.SessionID, Format) (Dump, bool, error)
	// BeginDump notes a key before bytes are put under it, so that they are
	// collected if it comes to nothing more.
	BeginDump(ctx context.Context, key string, at time.Time) error
	// KeepDump replaces the dump of its session and format; the bytes of the one
	// before are collected after a while.
	KeepDump(context.Context, Dump) error
	// DropDump forgets a dump whose bytes are gone.
	DropDump(context.Context, Dump) error
	// TakeEnded leases sessions that have ended and of which that has not been
	// told yet, at most limit.
	TakeEnded(ctx context.Context, now, until time.Time, limit int) ([]chat.SessionID, error)
	// HasPublic tells whether a session has a public message that stands.
	HasPublic(context.Context, chat.SessionID) (bool, error)
	// ToldEnded puts a body into the queue of each webhook that wants
	// meeting.chatSynced, and takes the session off the list, in one
	// transaction. A nil body tells nobody.
	ToldEnded(ctx context.Context, id chat.SessionID, app chat.AppID, body []byte, now time.Time) error
}

// Config is what a Service is made of. All without a default must be set.
type Config struct {
	Store Store
	Blobs blob.Store
	// Render gives a content as readers of a file see it, with links to files.
	Render func(chat.MeetingID, chat.Content) string
	// Key signs the links, of 32 random bytes.
	Key []byte
	// BaseURL is the origin that links begin with, without a slash at the end.
	BaseURL string
	// LinksFor is how long links are good. Default DefaultLinksFor.
	LinksFor time.Duration
	Now      func() time.Time
	// Logger. Default: nothing is logged.
	Logger *slog.Logger
	// Limits counts which limits were reached. Default: nobody counts.
	Limits *tally.Words
}

// Times and bounds of exports.
const (
	// DefaultLinksFor is how long a link to a dump is good.
	DefaultLinksFor = 7 * 24 * time.Hour
	// keptFor is how long a file that nothing has changed is given out: the
	// links to files in it grow old.
	keptFor = 24 * time.Hour
	// page is how many messages are read at once. While a longer read lasts, the
	// log of the database would grow, and each message that is stored would pay
	// for the attempt to shorten it.
	page = 500
	// maxSize bounds a file, in bytes.
	maxSize = 64 << 30
	// parallel is how many files are made at the same time.
	parallel = 2
)

// Service makes, keeps and serves dumps. Make it with New; it is safe for
// concurrent use.
type Service struct {
	Config
	slots chan struct{}

	counts Counters

	mu    sync.Mutex
	locks map[making]*lock
}

// Counters counts what became of files, since the start.
type Counters struct {
	// Made are files that were made, of MadeBytes together, Kept those that were
	// still good when they were asked for, and Failed those that could not be
	// made.
	Made, MadeBytes, Kept, Failed atomic.Uint64
	// Read are files sent out.
	Read atomic.Uint64
}

// Counters gives the counts, which go on.
func (s *Service) Counters() *Counters { return &s.counts }

// lock is held by who makes a file; holders counts those too who wait for it.
type lock struct {
	sync.Mutex
	holders int
}

// making names a file that is being made.
type making struct {
	session chat.SessionID
	format  Format
}

// New makes a service. Start its Run.
func New(config Config) *Service {
	if config.LinksFor <= 0 {
		config.LinksFor = DefaultLinksFor
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{Config: config, slots: make(chan struct{}, parallel), locks: make(map[making]*lock)}
}

// reader gives what was said in a session so far as a file. It reads no further
// ahead than a page, in the goroutine of who reads it.
type reader struct {
	ctx     context.Context
	from    Source
	session chat.SessionID
	format  Format
	render  func(chat.MeetingID, chat.Content) string

	buf   []byte // what was made, from off on not yet read
	off   int
	after uint64
	ended bool
}

func newReader(ctx context.Context, from Source, id chat.SessionID, format Format, render func(chat.MeetingID, chat.Content) string) *reader {
	return &reader{ctx: ctx, from: from, session: id, format: format, render: render, buf: []byte(Header)}
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	for r.off == len(r.buf) {
		if r.ended {
			return 0, io.EOF
		}
		if err := r.more(); err != nil {
			return 0, fmt.Errorf("reading the messages of a session: %w", err)
		}
	}
	n := copy(p, r.buf[r.off:])
	r.off += n
	return n, nil
}

// more makes the lines of the next page.
func (r *reader) more() (err error) {
	r.buf, r.off = r.buf[:0], 0
	r.after, err = r.from.SessionMessages(r.ctx, r.session, r.after, page, r.add)
	r.ended = r.after == 0
	return err
}

func (r *reader) add(m *chat.Message) error {
	payload := m.Content.Payload
	if m.Content.Kind != chat.Text {
		payload = r.render(m.Meeting, m.Content)
	}
	r.buf = r.format.appendRow(r.buf, m, payload)
	return nil
}

// Dump gives the file of a session as it stands, made anew if need be. Those
// who ask for the same file at the same time wait for one.
func (s *Service) Dump(ctx context.Context, id chat.SessionID, format Format) (Session, Dump, error) {
	defer s.lock(making{id, format})()
	session, err := s.Store.ExportSession(ctx, id)
	if err != nil {
		return Session{}, Dump{}, err
	}
	known, ok, err := s.Store.Dump(ctx, id, format)
	if err != nil {
		return Session{}, Dump{}, err
	}
	if now := s.Now(); ok && known.Revision == session.Revision && now.Before(known.MadeAt.Add(keptFor)) && !now.Before(known.MadeAt) {
		s.counts.Kept.Add(1)
		return session, known, nil
	}
	made, err := s.make(ctx, session, format)
	if err != nil {
		s.counts.Failed.Add(1)
		return session, made, err
	}
	s.counts.Made.Add(1)
	s.counts.MadeBytes.Add(uint64(made.Size))
	return session, made, nil
}

// lock lets one at a time make a file, and gives what unlocks it.
func (s *Service) lock(of making) (unlock func()) {
	s.mu.Lock()
	l := s.locks[of]
	if l == nil {
		l = new(lock)
		s.locks[of] = l
	}
	l.holders++
	s.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		s.mu.Lock()
		defer s.mu.Unlock()
		if l.holders--; l.holders == 0 {
			delete(s.locks, of)
		}
	}
}

// make makes a file. What changes while it is made may or may not be in it,
// and makes it out of date.
func (s *Service) make(ctx context.Context, session Session, format Format) (Dump, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return Dump{}, fmt.Errorf("waiting to make an export: %w", context.Cause(ctx))
	}
	key, err := newKey()
	if err != nil {
		return Dump{}, err
	}
	d := Dump{Session: session.ID, Format: format, Revision: session.Revision, Key: key, MadeAt: s.Now()}
	if err := s.Store.BeginDump(ctx, d.Key, d.MadeAt); err != nil {
		return Dump{}, err
	}
	if err := lowly(func() error {
		info, err := s.Blobs.Put(ctx, d.Key, newReader(ctx, s.Store, session.ID, format, s.Render), maxSize)
		d.Size = info.Size
		return err
	}); err != nil {
		return Dump{}, fmt.Errorf("storing an export: %w", err)
	}
	if err := s.Store.KeepDump(ctx, d); err != nil {
		return Dump{}, err
	}
	return d, nil
}

func newKey() (string, error) {
	id, err := uuid.NewV4()
	if err != nil {
		return "", fmt.Errorf("naming an export: %w", err)
	}
	return "export-" + id.String(), nil
}
