package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

// This file keeps the directory: apps, meetings, participants and presets. A
// job looks for the parents before it writes: a foreign key that fails in the
// middle would cost everybody in the transaction a second run.

// PutApp implements directory.Store.
func (db *DB) PutApp(ctx context.Context, app directory.App, presets []directory.Preset) error {
	return db.update(ctx, func(tx *Tx) error {
		tx.aboutApp(app.ID, "app", string(app.ID))
		if _, err := tx.exec(`INSERT INTO apps (id, account, name, created_at) VALUES (?, ?, ?, ?)`,
			string(app.ID), app.Account, app.Name, app.CreatedAt.UnixMilli()); err != nil {
			return fmt.Errorf("storing an app: %w", err)
		}
		for _, p := range presets {
			p.App = app.ID
			if err := tx.insertPreset(p); err != nil {
				return err
			}
		}
		return nil
	})
}

// PutMeeting implements directory.Store.
func (db *DB) PutMeeting(ctx context.Context, m directory.Meeting, epoch string) error {
	settings, err := json.Marshal(m.Settings)
	if err != nil {
		return fmt.Errorf("encoding the settings of a meeting: %w", err)
	}
	return db.update(ctx, func(tx *Tx) error {
		tx.about("meeting", string(m.ID))
		if err := tx.mustFindApp(m.App); err != nil {
			return err
		}
		if _, err := tx.exec(`INSERT INTO meetings
			(id, app, title, active, persist_chat, keep_alive, settings, created_at, updated_at, epoch, chat_mode, no_private, hosts_pin, slow_mode)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, append([]any{
			string(m.ID), string(m.App), m.Title, m.Active, m.PersistChat, int64(m.KeepAlive / time.Second), string(settings),
			m.CreatedAt.UnixMilli(), m.UpdatedAt.UnixMilli(), epoch,
		}, ruleValues(m.Rules)...)...); err != nil {
			return fmt.Errorf("storing a meeting: %w", err)
		}
		return nil
	})
}

func (tx *Tx) mustFindApp(id chat.AppID) error {
	var one int
	found, err := tx.row(`SELECT 1 FROM apps WHERE id = ?`, []any{string(id)}, &one)
	if err == nil && !found {
		return directory.ErrNotFound
	}
	return err
}

// PutParticipant implements directory.Store.
func (db *DB) PutParticipant(ctx context.Context, app chat.AppID, p directory.Participant) (chat.PresetID, error) {
	var preset string
	err := db.update(ctx, func(tx *Tx) error {
		tx.about("participant", string(p.ID))
		var meeting int64
		found, err := tx.row(`SELECT no FROM meetings WHERE id = ? AND app = ?`, []any{string(p.Meeting), string(app)}, &meeting)
		if err != nil {
			return err
		}
		if !found {
			return directory.ErrNotFound
		}
		found, err = tx.row(`SELECT id FROM presets WHERE app = ? AND name = ?`, []any{string(app), p.PresetName}, &preset)
		if err != nil {
			return err
		}
		if !found {
			return directory.ErrNoPreset
		}
		if _, err := tx.exec(`INSERT INTO participants (id, meeting, custom_id, name, picture, preset, created_at, updated_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			string(p.ID), meeting, p.CustomID, p.Name, p.Picture, preset,
			p.CreatedAt.UnixMilli(), p.UpdatedAt.UnixMilli()); err != nil {
			return fmt.Errorf("storing a participant: %w", err)
		}
		return nil
	})
	if err != nil {
		// preset is not to be looked at: the job may still be running.
		return "", err
	}
	return chat.PresetID(preset), nil
}

// Preset implements directory.Store.
func (db *DB) Preset(ctx context.Context, app chat.AppID, id chat.PresetID) (directory.Preset, error) {
	return find(ctx, db, new(presetRow), `SELECT `+presetColumns+` FROM presets r WHERE r.id = ? AND r.app = ?`, string(id), string(app))
}

// App implements directory.Store.
func (db *DB) App(ctx context.Context, id chat.AppID) (directory.App, error) {
	return find(ctx, db, new(appRow), `SELECT `+appColumns+` FROM apps a WHERE a.id = ?`, string(id))
}

// Apps implements directory.Store.
func (db *DB) Apps(ctx context.Context, account string, l directory.List) ([]directory.App, int, error) {
	w := where{}.and(`a.account = ?`, account).search(l.Search, `a.name`, `a.id`).created(l, `a.created_at`)
	order := `a.created_at DESC, a.id`
	if l.Ascending {
		order = `a.created_at, a.id`
	}
	return list(ctx, db, new(appRow), appColumns, `apps a`, w, order, l)
}

// Meeting implements directory.Store.
func (db *DB) Meeting(ctx context.Context, app chat.AppID, id chat.MeetingID) (directory.Meeting, error) {
	return find(ctx, db, new(meetingRow), `SELECT `+meetingColumns+` FROM meetings m WHERE m.id = ? AND m.app = ?`, string(id), string(app))
}

// Meetings implements directory.Store.
func (db *DB) Meetings(ctx context.Context, app chat.AppID, l directory.List) ([]directory.Meeting, int, error) {
	w := where{}.and(`m.app = ?`, string(app)).search(l.Search, `m.title`, `m.id`).created(l, `m.created_at`)
	kept := []keptCount{{"meetings", string(app), 1}}
	if l.Active != nil {
		w = w.and(`m.active = ?`, *l.Active)
		if kept = []keptCount{{"active meetings", string(app), 1}}; !*l.Active {
			kept = []keptCount{{"meetings", string(app), 1}, {"active meetings", string(app), -1}}
		}
	}
	return list(ctx, db, new(meetingRow), meetingColumns, `meetings m`, w, `m.created_at DESC, m.no DESC`, l, kept...)
}

const participantTables = `participants p JOIN meetings m ON m.no = p.meeting JOIN presets r ON r.id = p.preset`

// Participant implements directory.Store.
func (db *DB) Participant(ctx context.Context, app chat.AppID, meeting chat.MeetingID, id chat.ParticipantID) (directory.Participant, error) {
	return find(ctx, db, new(participantRow), `SELECT `+participantColumns+` FROM `+participantTables+
		` WHERE p.id = ? AND m.id = ? AND m.app = ?`, string(id), string(meeting), string(app))
}

// Participants implements directory.Store.
func (db *DB) Participants(ctx context.Context, app chat.AppID, meeting chat.MeetingID, l directory.List) ([]directory.Participant, int, error) {
	var no int64
	err := db.queryRow(ctx, `SELECT no FROM meetings WHERE id = ? AND app = ?`, []any{string(meeting), string(app)}, &no)
	if err != nil {
		return nil, 0, notFound(err)
	}
	w := where{}.and(`p.meeting = ?`, no).search(l.Search, `p.name`, `p.id`).created(l, `p.created_at`)
	return list(ctx, db, new(participantRow), participantColumns, participantTables, w, `p.created_at DESC, p.id DESC`, l,
		keptCount{"participants", strconv.FormatInt(no, 10), 1})
}

// PresetNamed implements directory.Store.
func (db *DB) PresetNamed(ctx context.Context, app chat.AppID, name string) (directory.Preset, error) {
	return find(ctx, db, new(presetRow), `SELECT `+presetColumns+` FROM presets r WHERE r.app = ? AND r.name = ?`, string(app), name)
}

// Presets implements directory.Store.
func (db *DB) Presets(ctx context.Context, app chat.AppID, l directory.List) ([]directory.Preset, int, error) {
	w := where{}.and(`r.app = ?`, string(app)).search(l.Search, `r.name`, `r.id`).created(l, `r.created_at`)
	return list(ctx, db, new(presetRow), presetColumns, `presets r`, w, `r.created_at DESC, r.name`, l)
}

// record is a row being read: where its columns go, and what they mean.
type record[T any] interface {
	dest() []any
	value() (T, error)
}

func find[T any](ctx context.Context, db *DB, r record[T], text string, args ...any) (T, error) {
	if err := db.queryRow(ctx, text, args, r.dest()...); err != nil {
		var none T
		return none, notFound(err)
	}
	return r.value()
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return directory.ErrNotFound
	}
	return classify(err)
}

// list reads one page, and counts all rows that match. How many there are
// without search and times is known where it is kept.
func list[T any](ctx context.Context, db *DB, r record[T], columns, tables string, w where, order string, l directory.List, kept ...keptCount) ([]T, int, error) {
	if l.Search != "" || !l.From.IsZero() || !l.To.IsZero() {
		kept = nil
	}
	l = l.Normalise()
	rows, err := db.query(ctx, `SELECT `+columns+` FROM `+tables+w.text()+` ORDER BY `+order+` LIMIT ? OFFSET ?`,
		append(slices.Clip(w.args), l.Size, l.Offset())...)
	if err != nil {
		return nil, 0, classify(err)
	}
	defer rows.Close()
	var values []T
	for rows.Next() {
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, 0, classify(err)
		}
		v, err := r.value()
		if err != nil {
			return nil, 0, err
		}
		values = append(values, v)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, classify(err)
	}
	total, err := db.count(ctx, kept, tables, w)
	return values, total, err
}

// keptCount names a count of table list_counts, and how often it is taken.
type keptCount struct {
	list, of string
	times    int
}

// count adds kept counts up, or counts the rows where there are none.
func (db *DB) count(ctx context.Context, kept []keptCount, tables string, w where) (int, error) {
	if len(kept) == 0 {
		var total int
		err := db.queryRow(ctx, `SELECT COUNT(*) FROM `+tables+w.text(), w.args, &total)
		return total, classify(err)
	}
	total := 0
	for _, k := range kept {
		var n int
		err := db.queryRow(ctx, `SELECT rows FROM list_counts WHERE list = ? AND of = ?`, []any{k.list, k.of}, &n)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, classify(err)
		}
		total += k.times * n
	}
	return max(total, 0), nil // the two may be of two moments
}

// where collects the conditions of a list.
type where struct {
	conditions []string
	args       []any
}

func (w where) and(condition string, args ...any) where {
	return where{append(w.conditions, condition), append(w.args, args...)}
}

// search keeps rows whose name contains the text or whose id is it. SQLite
// ignores case for the letters of ASCII only.
func (w where) search(text, name, id string) where {
	if text == "" {
		return w
	}
	exact := text
	if parsed, err := uuid.FromString(text); err == nil {
		exact = parsed.String()
	}
	pattern := `%` + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + `%`
	return w.and(`(`+name+` LIKE ? ESCAPE '\' OR `+id+` = ?)`, pattern, exact)
}

// created keeps rows made in the range of the list, its ends included.
func (w where) created(l directory.List, column string) where {
	if !l.From.IsZero() {
		w = w.and(column+` >= ?`, l.From.UnixMilli())
	}
	if !l.To.IsZero() {
		w = w.and(column+` <= ?`, l.To.UnixMilli())
	}
	return w
}

func (w where) text() string { return ` WHERE ` + strings.Join(w.conditions, ` AND `) }

func fromMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

const appColumns = `a.id, a.account, a.name, a.created_at`

type appRow struct {
	id, account, name string
	created           int64
}

func (r *appRow) dest() []any { return []any{&r.id, &r.account, &r.name, &r.created} }

func (r *appRow) value() (directory.App, error) {
	return directory.App{ID: chat.AppID(r.id), Account: r.account, Name: r.name, CreatedAt: fromMilli(r.created)}, nil
}

const meetingColumns = `m.id, m.app, m.title, m.active, m.persist_chat, m.keep_alive, m.settings, m.created_at, m.updated_at, ` + ruleColumns

type meetingRow struct {
	id, app, title, settings    string
	active, persist             bool
	keepAlive, created, updated int64
	rules                       ruleRow
}

func (r *meetingRow) dest() []any {
	return append([]any{&r.id, &r.app, &r.title, &r.active, &r.persist, &r.keepAlive, &r.settings, &r.created, &r.updated},
		r.rules.dest()...)
}

// ruleColumns are what is set for the chat of meeting m.
const ruleColumns = `m.chat_mode, m.no_private, m.hosts_pin, m.slow_mode`

type ruleRow struct {
	mode                chat.Mode
	noPrivate, hostsPin bool
	slow                int64
}

func (r *ruleRow) dest() []any { return []any{&r.mode, &r.noPrivate, &r.hostsPin, &r.slow} }

func (r *ruleRow) rules() chat.Rules {
	return chat.Rules{Mode: r.mode, NoPrivate: r.noPrivate, HostsPin: r.hostsPin, SlowMode: time.Duration(r.slow) * time.Second}
}

// ruleValues are the values of ruleColumns.
func ruleValues(r chat.Rules) []any {
	return []any{string(r.Mode), r.NoPrivate, r.HostsPin, int64(r.SlowMode / time.Second)}
}

func (r *meetingRow) value() (directory.Meeting, error) {
	m := directory.Meeting{
		ID: chat.MeetingID(r.id), App: chat.AppID(r.app), Title: r.title, Active: r.active, PersistChat: r.persist,
		KeepAlive: time.Duration(r.keepAlive) * time.Second, Rules: r.rules.rules(), CreatedAt: fromMilli(r.created), UpdatedAt: fromMilli(r.updated),
	}
	if err := json.Unmarshal([]byte(r.settings), &m.Settings); err != nil {
		return directory.Meeting{}, fmt.Errorf("reading the settings of meeting %s: %w", r.id, err)
	}
	return m, nil
}

const participantColumns = `p.id, m.id, p.custom_id, p.name, p.picture, p.preset, r.name, p.override, p.created_at, p.updated_at`

type participantRow struct {
	id, meeting, custom, name, picture, preset, presetName, laid string
	created, updated                                             int64
}

func (r *participantRow) dest() []any {
	return []any{&r.id, &r.meeting, &r.custom, &r.name, &r.picture, &r.preset, &r.presetName, &r.laid, &r.created, &r.updated}
}

func (r *participantRow) value() (directory.Participant, error) {
	p := directory.Participant{
		ID: chat.ParticipantID(r.id), Meeting: chat.MeetingID(r.meeting), CustomID: r.custom, Name: r.name, Picture: r.picture,
		Preset: chat.PresetID(r.preset), PresetName: r.presetName, CreatedAt: fromMilli(r.created), UpdatedAt: fromMilli(r.updated),
	}
	if r.laid != "" {
		p.Override = json.RawMessage(r.laid)
	}
	return p, nil
}

const presetColumns = `r.id, r.app, r.name, r.body, r.created_at, r.updated_at`

type presetRow struct {
	id, app, name, body string
	created, updated    int64
}

func (r *presetRow) dest() []any {
	return []any{&r.id, &r.app, &r.name, &r.body, &r.created, &r.updated}
}

func (r *presetRow) value() (directory.Preset, error) {
	return directory.Preset{
		ID: chat.PresetID(r.id), App: chat.AppID(r.app), Name: r.name, Body: json.RawMessage(r.body),
		CreatedAt: fromMilli(r.created), UpdatedAt: fromMilli(r.updated),
	}, nil
}

type accessRow struct {
	app         appRow
	meeting     meetingRow
	participant participantRow
	preset      presetRow
	override    string
}

func (r *accessRow) dest() []any {
	dest := append(r.app.dest(), r.meeting.dest()...)
	return append(append(append(dest, r.participant.dest()...), r.preset.dest()...), &r.override)
}

func (r *accessRow) value() (directory.Access, error) {
	meeting, err := r.meeting.value()
	if err != nil {
		return directory.Access{}, err
	}
	// Only the settings of a meeting and an override can be unreadable.
	app, _ := r.app.value()
	participant, _ := r.participant.value()
	preset, _ := r.preset.value()
	if preset.Body, err = directory.Overlay(preset.Body, []byte(r.override)); err != nil {
		return directory.Access{}, fmt.Errorf("reading the permissions of participant %s: %w", participant.ID, err)
	}
	if preset.Body, err = directory.LayRules(preset.Body, meeting.Rules); err != nil {
		return directory.Access{}, fmt.Errorf("laying the rules of a meeting over preset %s: %w", preset.ID, err)
	}
	return directory.Access{App: app, Meeting: meeting, Participant: participant, Preset: preset}, nil
}
