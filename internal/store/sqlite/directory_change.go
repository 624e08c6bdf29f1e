package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

// This file changes and deletes what the directory keeps. Each change is read,
// made and stored in one transaction, and what that transaction has read of it
// before is forgotten, so that whatever is decided after it goes by it.

// findIn is find within a transaction.
func findIn[T any](tx *Tx, r record[T], text string, args ...any) (T, error) {
	var none T
	found, err := tx.row(text, args, r.dest()...)
	if err != nil {
		return none, err
	}
	if !found {
		return none, directory.ErrNotFound
	}
	return r.value()
}

// changed runs change and gives what it leaves. The job may run more than once
// and may still run when ctx has ended, so each run has a value of its own.
func changed[T any](ctx context.Context, db *DB, change func(*Tx) (T, error)) (T, error) {
	return resultOf(ctx, db.update, change)
}

// changedBehind is changed for background work.
func changedBehind[T any](ctx context.Context, db *DB, change func(*Tx) (T, error)) (T, error) {
	return resultOf(ctx, db.updateBehind, change)
}

func resultOf[T any](ctx context.Context, update func(context.Context, func(*Tx) error) error, change func(*Tx) (T, error)) (T, error) {
	result := make(chan T, 1)
	err := update(ctx, func(tx *Tx) error {
		value, err := change(tx)
		if err != nil {
			return err
		}
		select {
		case <-result:
		default:
		}
		result <- value
		return nil
	})
	if err != nil {
		var none T
		return none, err
	}
	return <-result, nil
}

// ChangeMeeting implements directory.Store.
func (db *DB) ChangeMeeting(ctx context.Context, app chat.AppID, id chat.MeetingID, change func(*directory.Meeting) error) (directory.Meeting, error) {
	return changed(ctx, db, func(tx *Tx) (directory.Meeting, error) {
		m, err := findIn(tx, new(meetingRow), `SELECT `+meetingColumns+` FROM meetings m WHERE m.id = ? AND m.app = ?`, string(id), string(app))
		if err != nil {
			return m, err
		}
		if err := change(&m); err != nil {
			return m, err
		}
		settings, err := json.Marshal(m.Settings)
		if err != nil {
			return m, fmt.Errorf("encoding the settings of a meeting: %w", err)
		}
		if err := tx.forgetHead(id); err != nil {
			return m, err
		}
		_, err = tx.exec(`UPDATE meetings SET title = ?, active = ?, persist_chat = ?, keep_alive = ?, settings = ?, updated_at = ?,
			chat_mode = ?, no_private = ?, hosts_pin = ?, slow_mode = ? WHERE id = ?`, slices.Concat([]any{
			m.Title, m.Active, m.PersistChat, int64(m.KeepAlive / time.Second), string(settings), m.UpdatedAt.UnixMilli(),
		}, ruleValues(m.Rules), []any{string(id)})...)
		if err != nil || m.Rules.SlowMode > 0 {
			return m, err
		}
		_, err = tx.exec(`DELETE FROM senders WHERE meeting = (SELECT no FROM meetings WHERE id = ?)`, string(id))
		return m, err
	})
}

// ChangeParticipant implements directory.Store.
func (db *DB) ChangeParticipant(ctx context.Context, app chat.AppID, meeting chat.MeetingID, id chat.ParticipantID, change func(*directory.Participant) error) (directory.Participant, error) {
	return changed(ctx, db, func(tx *Tx) (directory.Participant, error) {
		p, err := tx.participantOf(app, meeting, id)
		if err != nil {
			return p, err
		}
		before := p.Name
		if err := change(&p); err != nil {
			return p, err
		}
		var preset string
		found, err := tx.row(`SELECT id FROM presets WHERE app = ? AND name = ?`, []any{string(app), p.PresetName}, &preset)
		if err != nil {
			return p, err
		}
		if !found {
			return p, directory.ErrNoPreset
		}
		p.Preset = chat.PresetID(preset)
		if _, err := tx.exec(`UPDATE participants SET override = ?, name = ?, picture = ?, preset = ?, updated_at = ? WHERE id = ?`,
			string(p.Override), p.Name, p.Picture, preset, p.UpdatedAt.UnixMilli(), string(id)); err != nil {
			return p, err
		}
		return p, tx.rename(meeting, id, before, p.Name)
	})
}

// rename makes the peers of a participant who is here go by a new name, also
// after a restart.
func (tx *Tx) rename(meeting chat.MeetingID, id chat.ParticipantID, before, name string) error {
	if name == before {
		return nil
	}
	_, err := tx.exec(`UPDATE peers SET display_name = ? WHERE participant = ?
		AND session = (SELECT session FROM meetings WHERE id = ?)`, name, string(id), string(meeting))
	return err
}

// Overrule implements directory.Store.
func (db *DB) Overrule(ctx context.Context, meeting chat.MeetingID, by chat.ParticipantID, of []chat.ParticipantID,
	change func(directory.Overruled, []*directory.Overruled) error,
) error {
	return db.update(ctx, func(tx *Tx) error {
		known := make(map[chat.ParticipantID]*directory.Overruled, len(of)+1)
		for _, id := range append([]chat.ParticipantID{by}, of...) {
			if known[id] != nil {
				continue
			}
			o, err := tx.overruled(meeting, id)
			if err != nil {
				return err
			}
			known[id] = &o
		}
		subjects := make([]*directory.Overruled, len(of))
		for i, id := range of {
			subjects[i] = known[id]
		}
		if err := change(*known[by], subjects); err != nil {
			return err
		}
		for _, o := range subjects {
			if _, err := tx.exec(`UPDATE participants SET override = ? WHERE id = ?`, string(o.Override), string(o.Participant)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (tx *Tx) overruled(meeting chat.MeetingID, id chat.ParticipantID) (directory.Overruled, error) {
	o := directory.Overruled{Participant: id}
	var preset presetRow
	var override string
	found, err := tx.row(`SELECT p.override, `+presetColumns+` FROM `+participantTables+` WHERE p.id = ? AND m.id = ?`,
		[]any{string(id), string(meeting)}, append([]any{&override}, preset.dest()...)...)
	if err != nil {
		return o, err
	}
	if !found {
		return o, directory.ErrNotFound
	}
	o.Override = []byte(override)
	o.Preset, err = preset.value()
	return o, err
}

// DeleteParticipant implements directory.Store.
func (db *DB) DeleteParticipant(ctx context.Context, app chat.AppID, meeting chat.MeetingID, id chat.ParticipantID) (directory.Participant, error) {
	return changed(ctx, db, func(tx *Tx) (directory.Participant, error) {
		p, err := tx.participantOf(app, meeting, id)
		if err != nil {
			return p, err
		}
		_, err = tx.exec(`DELETE FROM participants WHERE id = ?`, string(id))
		return p, err
	})
}

func (tx *Tx) participantOf(app chat.AppID, meeting chat.MeetingID, id chat.ParticipantID) (directory.Participant, error) {
	return findIn(tx, new(participantRow), `SELECT `+participantColumns+` FROM `+participantTables+
		` WHERE p.id = ? AND m.id = ? AND m.app = ?`, string(id), string(meeting), string(app))
}

// PutPreset implements directory.Store.
func (db *DB) PutPreset(ctx context.Context, p directory.Preset) error {
	return db.update(ctx, func(tx *Tx) error {
		tx.about("preset", string(p.ID))
		if err := tx.mustFindApp(p.App); err != nil {
			return err
		}
		if err := tx.mustBeFree(p.App, p.Name, ""); err != nil {
			return err
		}
		return tx.insertPreset(p)
	})
}

func (tx *Tx) insertPreset(p directory.Preset) error {
	_, err := tx.exec(`INSERT INTO presets (id, app, name, body, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)`,
		string(p.ID), string(p.App), p.Name, string(p.Body), p.CreatedAt.UnixMilli(), p.UpdatedAt.UnixMilli())
	if err != nil {
		return fmt.Errorf("storing preset %s: %w", p.ID, err)
	}
	return nil
}

// mustBeFree gives ErrTaken where another preset of the app has the name.
func (tx *Tx) mustBeFree(app chat.AppID, name string, self chat.PresetID) error {
	var one int
	found, err := tx.row(`SELECT 1 FROM presets WHERE app = ? AND name = ? AND id <> ?`, []any{string(app), name, string(self)}, &one)
	if err == nil && found {
		return directory.ErrTaken
	}
	return err
}

// ChangePreset implements directory.Store.
func (db *DB) ChangePreset(ctx context.Context, app chat.AppID, id chat.PresetID, change func(*directory.Preset) error) (directory.Preset, error) {
	return changed(ctx, db, func(tx *Tx) (directory.Preset, error) {
		p, err := tx.presetOf(app, id)
		if err != nil {
			return p, err
		}
		if err := change(&p); err != nil {
			return p, err
		}
		if err := tx.mustBeFree(app, p.Name, id); err != nil {
			return p, err
		}
		_, err = tx.exec(`UPDATE presets SET name = ?, body = ?, updated_at = ? WHERE id = ?`,
			p.Name, string(p.Body), p.UpdatedAt.UnixMilli(), string(id))
		return p, err
	})
}

// DeletePreset implements directory.Store.
func (db *DB) DeletePreset(ctx context.Context, app chat.AppID, id chat.PresetID) (directory.Preset, error) {
	return changed(ctx, db, func(tx *Tx) (directory.Preset, error) {
		p, err := tx.presetOf(app, id)
		if err != nil {
			return p, err
		}
		var one int
		used, err := tx.row(`SELECT 1 FROM participants WHERE preset = ? LIMIT 1`, []any{string(id)}, &one)
		if err != nil {
			return p, err
		}
		if used {
			return p, directory.ErrInUse
		}
		_, err = tx.exec(`DELETE FROM presets WHERE id = ?`, string(id))
		return p, err
	})
}

func (tx *Tx) presetOf(app chat.AppID, id chat.PresetID) (directory.Preset, error) {
	return findIn(tx, new(presetRow), `SELECT `+presetColumns+` FROM presets r WHERE r.id = ? AND r.app = ?`, string(id), string(app))
}
