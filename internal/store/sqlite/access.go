package sqlite

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

// This file remembers what Access has found. Whoever comes back is looked up at
// each step of coming back, and in a storm everybody comes back at once.
//
// One process writes a data directory, and all its writes go through Tx.exec.
// That is why nothing needs to expire: a transaction that has changed or
// deleted rows of the directory makes all that was found before it void. It is
// told by its statements, so that a change made elsewhere in this package
// cannot be forgotten here.

// maxKnown is how many participants are remembered. When there are more,
// any of them is forgotten for the next.
const maxKnown = 20_000

// maxBodies is how many bodies of presets are looked for to be shared.
const maxBodies = 256

// accessCache remembers what was found, as of a version of the directory.
type accessCache struct {
	version      atomic.Uint64 // grows with each change of the directory
	hits, misses atomic.Uint64

	mu     sync.Mutex
	of     uint64 // the version that known is of
	known  map[accessKey]directory.Access
	bodies map[string]json.RawMessage // of presets, each kept once: many share it
}

type accessKey struct {
	meeting     chat.MeetingID
	participant chat.ParticipantID
}

// get gives what is known as of now, and the version to put what is read next.
func (c *accessCache) get(key accessKey) (access directory.Access, version uint64, ok bool) {
	version = c.version.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == version {
		access, ok = c.known[key]
	}
	return access, version, ok
}

// put keeps what was read after version was given, unless the directory has
// changed since.
func (c *accessCache) put(key accessKey, version uint64, access directory.Access) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case version < c.of || version != c.version.Load():
		return
	case version > c.of || c.known == nil:
		c.of = version
		c.known = make(map[accessKey]directory.Access)
		c.bodies = make(map[string]json.RawMessage)
	}
	if len(c.known) >= maxKnown {
		for other := range c.known {
			delete(c.known, other)
			break
		}
	}
	access.Preset.Body = c.shared(access.Preset.Body)
	c.known[key] = access
}

// shared gives the same bytes for the same body.
func (c *accessCache) shared(body json.RawMessage) json.RawMessage {
	if same, ok := c.bodies[string(body)]; ok {
		return same
	}
	if len(c.bodies) >= maxBodies {
		clear(c.bodies)
	}
	c.bodies[string(body)] = body
	return body
}

// changed makes all that is known void.
func (c *accessCache) changed() { c.version.Add(1) }

// Access implements directory.Store.
func (db *DB) Access(ctx context.Context, meeting chat.MeetingID, participant chat.ParticipantID) (directory.Access, error) {
	key := accessKey{meeting, participant}
	access, version, ok := db.access.get(key)
	if ok {
		db.access.hits.Add(1)
		return access, nil
	}
	db.access.misses.Add(1)
	access, err := find(ctx, db, new(accessRow), `SELECT `+appColumns+`, `+meetingColumns+`, `+participantColumns+`, `+presetColumns+
		`, p.override FROM `+participantTables+` JOIN apps a ON a.id = m.app WHERE p.id = ? AND m.id = ?`, string(participant), string(meeting))
	if err == nil {
		db.access.put(key, version, access)
	}
	return access, err
}

// AccessCounts tells how many lookups of participants were answered from
// memory, and how many were read.
func (db *DB) AccessCounts() (hits, misses uint64) {
	return db.access.hits.Load(), db.access.misses.Load()
}

// besideDirectory are statements that change rows of meetings and nothing that
// the directory knows: the head of the journal and the live session.
var besideDirectory = []string{`UPDATE meetings SET last_seq `, `UPDATE meetings SET session `}

// changesDirectory tells whether a statement may change what Access has found.
// New rows do not: what was not found is not remembered. A statement of a form
// that is not known here may.
func changesDirectory(text string) bool {
	for _, beside := range besideDirectory {
		if strings.HasPrefix(text, beside) {
			return false
		}
	}
	words := strings.Fields(text)
	var table string
	switch {
	case len(words) > 1 && words[0] == "UPDATE":
		table = words[1]
	case len(words) > 2 && words[0] == "DELETE" && words[1] == "FROM":
		table = words[2]
	case len(words) > 2 && words[0] == "INSERT" && words[1] == "INTO":
		if !strings.Contains(text, "ON CONFLICT") {
			return false
		}
		table = words[2]
	default:
		return true
	}
	switch table {
	case "apps", "meetings", "participants", "presets":
		return true
	}
	return false
}
