package sqlite

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
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
// deleted rows of the directory makes void what was found of them before. It is
// told by its statements, so that a change made elsewhere in this package
// cannot be forgotten here: one that is known to change a single row voids what
// has that row in it, any other voids everything.

// maxKnown is how many participants are remembered. When there are more,
// any of them is forgotten for the next.
const maxKnown = 20_000

// maxBodies is how many bodies of presets are looked for to be shared.
const maxBodies = 256

// accessCache remembers what was found, as of a version of the directory.
type accessCache struct {
	version      atomic.Uint64 // grows with each change of the directory, under mu
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

// changed makes void what is known of what was touched.
func (c *accessCache) changed(by touched) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.of == c.version.Load()
	now := c.version.Add(1)
	if by.all || !known {
		return // what is known is of an older version
	}
	maps.DeleteFunc(c.known, func(key accessKey, a directory.Access) bool {
		return by.has(string(key.participant)) || by.has(string(key.meeting)) || by.has(string(a.Preset.ID)) || by.has(string(a.App.ID))
	})
	c.of = now
}

// touched are the rows of the directory that a transaction may have changed:
// all, or those with an id, in whatever table.
type touched struct {
	all bool
	ids []string
}

func (t *touched) none() bool { return !t.all && len(t.ids) == 0 }

func (t *touched) has(id string) bool { return t.all || slices.Contains(t.ids, id) }

// maxTouched is how many rows are told apart.
const maxTouched = 64

// add notes a statement of a reach.
func (t *touched) add(r reach, args []any) {
	if r == nothing || t.all {
		return
	}
	if r == oneRow && len(args) > 0 && len(t.ids) < maxTouched {
		if id, ok := args[len(args)-1].(string); ok {
			t.ids = append(t.ids, id)
			return
		}
	}
	t.all = true
}

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

// reach is how much of what Access has found a statement may change.
type reach int

const (
	nothing reach = iota
	// oneRow is that whose id is the last argument.
	oneRow
	everything
)

// besideDirectory are statements that change rows of meetings and nothing that
// the directory knows: the head of the journal, the live session, the number of
// kicks.
var besideDirectory = []string{`UPDATE meetings SET last_seq = `, `UPDATE meetings SET session = `, `UPDATE meetings SET kicks = `}

// reachOf tells how much of what Access has found a statement may change. New
// rows change nothing: what was not found is not remembered. A statement of a
// form that is not known here may change everything.
func reachOf(text string) reach {
	for _, beside := range besideDirectory {
		if strings.HasPrefix(text, beside) {
			return nothing
		}
	}
	switch table, known := changedTable(text); {
	case !known:
		return everything
	case table == "apps" || table == "meetings" || table == "participants" || table == "presets":
		return rowsReachedBy(text)
	}
	return nothing
}

// changedTable gives the table of which a statement changes or deletes rows, ""
// for none. It does not know statements of all forms.
func changedTable(text string) (table string, known bool) {
	words := strings.Fields(text)
	switch {
	case len(words) > 1 && words[0] == "UPDATE":
		return words[1], true
	case len(words) > 2 && words[0] == "DELETE" && words[1] == "FROM":
		return words[2], true
	case len(words) > 2 && words[0] == "INSERT" && words[1] == "INTO" && !strings.Contains(text, "ON CONFLICT"):
		return "", true
	case len(words) > 2 && words[0] == "INSERT" && words[1] == "INTO":
		return words[2], true
	case len(words) > 4 && words[0] == "INSERT" && words[1] == "OR" && words[3] == "INTO":
		return words[4], true
	}
	return "", false
}

// rowsReachedBy tells whether a statement that changes a table changes but the
// row whose id is the last argument.
func rowsReachedBy(text string) reach {
	_, where, ok := strings.Cut(text, " WHERE ")
	if ok && !strings.HasPrefix(text, "INSERT") && (where == byID || strings.HasSuffix(where, " AND "+byID)) &&
		!strings.Contains(where, " OR ") && !strings.Contains(where, "SELECT") {
		return oneRow
	}
	return everything
}

const byID = "id = ?"
