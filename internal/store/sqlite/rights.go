package sqlite

import (
	"fmt"
	"sync"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

// rights saves reading the same presets over and over. What it gives follows
// from what it is asked with, to the letter: no clock and no forgetting is
// needed for it to be right, whatever changes twice in a millisecond or is
// rolled back.
type rights struct {
	mu    sync.Mutex
	known map[string]reading // by preset
}

// reading is what a preset's body, with what lies over it, allows.
type reading struct {
	body, override string
	allows         chat.Permissions
}

// mostRights bounds what is remembered. An app has a handful of presets.
const mostRights = 1024

// permissions reads what a participant may do whose preset has this body, under
// this override.
func (db *DB) permissions(preset, body, override string) (chat.Permissions, error) {
	r := &db.rights
	key := preset
	if override != "" {
		key += " " + override
	}
	r.mu.Lock()
	known, ok := r.known[key]
	r.mu.Unlock()
	if ok && known.body == body && known.override == override {
		return known.allows, nil
	}
	laid, err := directory.Overlay([]byte(body), []byte(override))
	if err != nil {
		return chat.Permissions{}, fmt.Errorf("reading preset %s: %w", preset, err)
	}
	allows, err := directory.ParsePermissions(laid)
	if err != nil {
		return chat.Permissions{}, fmt.Errorf("reading preset %s: %w", preset, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= mostRights {
		r.known = make(map[string]reading)
	}
	r.known[key] = reading{body, override, allows}
	return allows, nil
}
