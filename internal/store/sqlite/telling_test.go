package sqlite_test

import (
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// Who was making the chat of an ended session ready when its process died does
// not come back for it.
func TestWhatAProcessHadTakenIsThereAfterItsEnd(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	_, err := tk.KickAll(t.Context(), tk.meeting, nil, tk.now())
	tk.must(err)
	taken := func() []chat.SessionID {
		ids, err := tk.TakeEnded(t.Context(), tk.now(), tk.now().Add(time.Hour), 10)
		tk.must(err)
		return ids
	}
	for _, when := range []string{"at first", "after a restart"} {
		if got := taken(); !slices.Equal(got, []chat.SessionID{tk.session}) {
			t.Errorf("%s there is %v to take, want %s", when, got, tk.session)
		}
		if got := taken(); len(got) != 0 {
			t.Errorf("%s %v is taken twice", when, got)
		}
		tk.reopen()
	}
}
