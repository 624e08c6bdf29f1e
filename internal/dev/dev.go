// Package dev makes a server ready to try out on one machine: certificates for
// localhost names, an app with a token, a meeting for the demo page. It is not
// for production: whoever can reach its pages is let in.
package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/server"
)

// Setup is what a development server was set up with, kept in its data
// directory so that the next start finds it again.
type Setup struct {
	App      chat.AppID           `json:"app_id"`
	APIToken string               `json:"api_token"`
	Meeting  chat.MeetingID       `json:"meeting_id"`
	People   []chat.ParticipantID `json:"participant_ids"`
}

// names are the people of the demo meeting.
var names = []string{"Alice", "Bob"}

// Prepare finds the set-up in the data directory, or makes it.
func Prepare(ctx context.Context, dir string, s *server.Server) (Setup, error) {
	path := filepath.Join(dir, "dev.json")
	raw, err := os.ReadFile(path)
	if err == nil {
		var found Setup
		if err := json.Unmarshal(raw, &found); err != nil {
			return Setup{}, fmt.Errorf("%s is damaged (delete it to get a new app and token): %w", path, err)
		}
		return found, check(ctx, path, s, found)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Setup{}, fmt.Errorf("reading the development set-up: %w", err)
	}
	made, err := create(ctx, s)
	if err != nil {
		return Setup{}, fmt.Errorf("making the development set-up: %w", err)
	}
	return made, save(path, made)
}

// check makes sure that the set-up belongs to this database.
func check(ctx context.Context, path string, s *server.Server, found Setup) error {
	if _, err := s.Directory.Meeting(ctx, found.App, found.Meeting); err != nil {
		return fmt.Errorf("%s does not belong to this database (delete it to get a new app and token): %w", path, err)
	}
	return nil
}

func create(ctx context.Context, s *server.Server) (Setup, error) {
	app, err := s.Directory.CreateApp(ctx, server.Account, "Development")
	if err != nil {
		return Setup{}, err
	}
	_, token, err := s.Keys.Create(ctx, auth.NewAPIKey{App: app.ID, Name: "development", Scopes: auth.Scopes()})
	if err != nil {
		return Setup{}, err
	}
	title := "Demo meeting"
	meeting, err := s.Directory.CreateMeeting(ctx, app.ID, directory.NewMeeting{Title: title, PersistChat: true})
	if err != nil {
		return Setup{}, err
	}
	made := Setup{App: app.ID, APIToken: token, Meeting: meeting.ID}
	for i, name := range names {
		p, err := s.Directory.AddParticipant(ctx, app.ID, meeting.ID, directory.NewParticipant{
			CustomID: fmt.Sprintf("demo-%d", i+1), Name: name, PresetName: "group_call_host",
		})
		if err != nil {
			return Setup{}, err
		}
		made.People = append(made.People, p.ID)
	}
	return made, nil
}

// save writes the set-up whole and durable, or not at all: it is announced as
// soon as it is saved, and who has heard of it may count on it.
func save(path string, s Setup) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the development set-up: %w", err)
	}
	if err := replace(path, append(raw, '\n')); err != nil {
		return fmt.Errorf("keeping the development set-up: %w", err)
	}
	return nil
}

// replace puts a file in the place of another. The bytes are on disk before
// the name shows them, and the name is before replace returns.
func replace(path string, data []byte) error {
	half, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = half.Write(data)
	if err == nil {
		err = half.Sync()
	}
	if err := errors.Join(err, half.Close()); err != nil {
		return err
	}
	if err := os.Rename(half.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
