package ws

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/directory"
)

func bodyOf(text string) directory.Preset { return directory.Preset{Body: json.RawMessage(text)} }

func TestEachBodyOfAPresetIsReadByWhatItSays(t *testing.T) {
	var b bodies
	kicks := `{"permissions": {"kick_participant": true}}`
	first, err := b.read(bodyOf(kicks))
	if err != nil || !first.rights.Kick {
		t.Fatalf("read %+v, %v", first, err)
	}
	// The same preset after it was changed, and with something laid over it.
	for _, text := range []string{`{"permissions": {"kick_participant": false}}`, `{"permissions": {"kick_participant": false, "hidden_participant": true}}`} {
		other, err := b.read(bodyOf(text))
		if err != nil || other.rights.Kick || other.revision == first.revision {
			t.Errorf("%s is read as %+v, %v", text, other, err)
		}
	}
	preset := bodyOf(strings.Clone(kicks))
	if again, err := b.read(preset); err != nil || again != first {
		t.Errorf("read again %+v, %v", again, err)
	}
	if n := testing.AllocsPerRun(10, func() { _, _ = b.read(preset) }); n > 0 {
		t.Errorf("a body that is known is read anew: %v allocations", n)
	}
}

func TestBodyThatCannotBeReadIsRefusedEachTime(t *testing.T) {
	var b bodies
	for range 2 {
		if _, err := b.read(bodyOf("{")); err == nil {
			t.Error("it is read")
		}
	}
}

func TestBodiesAreRememberedUpToABound(t *testing.T) {
	var b bodies
	filler := strings.Repeat(" ", 16<<10)
	for i := range 200 {
		text := fmt.Sprintf(`{"config": {"view_type": "%d"}, "permissions": {"kick_participant": %t}}`, i, i%2 == 0) + filler
		s, err := b.read(bodyOf(text))
		if err != nil || s.rights.Kick != (i%2 == 0) {
			t.Fatalf("body %d is read as %+v, %v", i, s, err)
		}
		held := 0
		for text := range b.known {
			held += len(text)
		}
		if held > maxBodyBytes || held != b.bytes {
			t.Fatalf("%d bytes of bodies are remembered, counted as %d", held, b.bytes)
		}
	}
}
