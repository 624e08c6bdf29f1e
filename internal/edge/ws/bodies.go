package ws

import (
	"hash/fnv"
	"sync"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

// What a preset allows is told by the bytes of its body alone, and thousands of
// peers have the same body. So each body is read once. A preset that is changed
// has another body, as has one that is overruled for a participant: there is
// nothing here that could be out of date.

// bodies remembers what the bodies of presets say.
type bodies struct {
	mu    sync.Mutex
	known map[string]allowance
	bytes int // of the bodies that are known
}

// allowance is what a body says of whoever has the preset.
type allowance struct {
	rights   chat.Permissions
	revision uint64 // differs when the body does
}

// maxBodyBytes is how much of bodies is remembered. Where there are more, all
// are read anew.
const maxBodyBytes = 1 << 20

// read gives what the body of a preset says.
func (b *bodies) read(p directory.Preset) (allowance, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s, ok := b.known[string(p.Body)]; ok {
		return s, nil
	}
	rights, err := p.Permissions()
	if err != nil {
		return allowance{}, err
	}
	revision := fnv.New64a()
	_, _ = revision.Write(p.Body)
	s := allowance{rights, revision.Sum64()}
	if b.bytes += len(p.Body); b.bytes > maxBodyBytes || b.known == nil {
		b.known, b.bytes = make(map[string]allowance), len(p.Body)
	}
	b.known[string(p.Body)] = s
	return s, nil
}

// rights gives what a preset allows.
func (s *Server) rights(p directory.Preset) (chat.Permissions, error) {
	body, err := s.bodies.read(p)
	return body.rights, err
}
