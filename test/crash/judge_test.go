package crash_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// tally is what one round came to.
type tally struct {
	messages int // that anybody was told of
	changes  int // that anybody was told of
	lost     int // messages told of that are not there
	undone   int // changes told of that are not there
	untold   int // messages that are there without anybody having been told
	files    int
	faults   []string // what is wrong, lost messages and changes among it
}

// maxFaults is how many are spelled out.
const maxFaults = 10

func (t *tally) blamef(format string, args ...any) {
	if len(t.faults) == maxFaults {
		t.faults = append(t.faults, "and so on")
	} else if len(t.faults) < maxFaults {
		t.faults = append(t.faults, fmt.Sprintf(format, args...))
	}
}

func (t *tally) String() string {
	return fmt.Sprintf("told of %d messages and %d changes; lost %d, undone %d; there untold %d; files %d",
		t.messages, t.changes, t.lost, t.undone, t.untold, t.files)
}

// judge compares what is there after a strike with what was told before it.
func (w *world) judge(ctx context.Context) tally {
	w.Helper()
	var t tally
	histories := w.histories(ctx)
	for _, m := range w.meetings {
		judgeMeeting(m, histories, &t)
	}
	for p, history := range histories {
		fresh := history[min(len(p.settled), len(history)):]
		for _, v := range p.voices {
			judgeOrder(v, fresh, &t)
			judgeMissed(v, fresh, &t)
		}
		if p == p.meeting.people[0] { // the others see the same files, as all are public
			t.files += w.compareFiles(ctx, fresh)
		}
		p.settled = history
	}
	return t
}

// dossier is all that a round has to say about one message.
type dossier struct {
	told   []told  // the fullest account of any listener
	doubts []*wish // changes asked for whose outcome nobody knows
}

// judgeMeeting looks at each message by itself: those told of, and those there.
func judgeMeeting(m *meeting, histories map[*person][]message, t *tally) {
	said, dossiers := testimony(m, t)
	there := remains(m, histories, t)
	for id, d := range dossiers {
		t.messages++
		t.changes += len(d.told) - 1
		judgeMessage(id, d, there, t)
	}
	used := make(map[*wish]bool)
	for id, found := range there {
		label := found.label
		if d := dossiers[id]; d != nil {
			label = d.told[0].message.label
		} else {
			t.untold++
		}
		w := said[label]
		switch {
		case w == nil:
			t.blamef("message %s (%.40q) was never sent", id, label)
		case used[w]:
			t.blamef("%.40q is there twice", label)
		case w.fate == refused:
			t.blamef("%.40q was refused and is there", label)
		case w.fate == granted && w.id != id:
			t.blamef("%.40q was echoed as %s and is there as %s", label, w.id, id)
		case w.author != found.author || w.to != found.to:
			t.blamef("%.40q is by %s for %q, and was sent by %s for %q", label, found.author, found.to, w.author, w.to)
		}
		used[w] = true
	}
}

// testimony collects what the voices of a meeting asked for, and what they
// were told. The accounts of listeners may differ only in where they end.
func testimony(m *meeting, t *tally) (sent map[string]*wish, dossiers map[string]*dossier) {
	sent, dossiers = make(map[string]*wish), make(map[string]*dossier)
	for _, p := range m.people {
		for _, v := range p.voices {
			accounts := make(map[string][]told)
			for _, heard := range v.heard {
				accounts[heard.id] = append(accounts[heard.id], heard)
			}
			for id, account := range accounts {
				d := dossiers[id]
				if d == nil {
					d = new(dossier)
					dossiers[id] = d
				}
				n := min(len(account), len(d.told))
				if account[0].kind != said || !slices.EqualFunc(account[:n], d.told[:n], alike) {
					t.blamef("voice %d was told another story of message %s than others", v.number, id)
				}
				if len(account) > len(d.told) {
					d.told = account
				}
			}
		}
	}
	for _, p := range m.people {
		for _, v := range p.voices {
			for _, w := range v.wishes {
				if w.kind == said {
					sent[w.label] = w
				} else if d := dossiers[w.target]; w.fate == open && d != nil {
					d.doubts = append(d.doubts, w)
				}
			}
		}
	}
	return sent, dossiers
}

func alike(a, b told) bool {
	return a.kind == b.kind && a.id == b.id && a.message.same(b.message)
}

// remains collects what is there of the round, as all who may see it see it.
func remains(m *meeting, histories map[*person][]message, t *tally) map[string]message {
	there := make(map[string]message)
	for _, p := range m.people {
		history := histories[p]
		if n := len(p.settled); n > len(history) || !slices.EqualFunc(p.settled, history[:n], message.same) {
			t.blamef("what was there after the last round, %d messages, is not the same any more", n)
		}
		for i, found := range history {
			if i > 0 && found.at <= history[i-1].at {
				t.blamef("message %s is of %d, the one before of %d", found.id, found.at, history[i-1].at)
			}
			if found.to != "" && !slices.Contains(strings.Fields(found.to), p.id) {
				t.blamef("message %s is shown to %s, who must not see it", found.id, p.id)
			}
			if i < len(p.settled) {
				continue
			}
			if other, ok := there[found.id]; ok && !found.same(other) {
				t.blamef("message %s is not the same for two people", found.id)
			}
			there[found.id] = found
		}
		judgeAudience(p, history, there, t)
	}
	return there
}

// judgeAudience demands that a person sees every message there is for them.
func judgeAudience(p *person, history []message, there map[string]message, t *tally) {
	seen := make(map[string]bool)
	for _, m := range history {
		if seen[m.id] {
			t.blamef("message %s is shown to %s twice", m.id, p.id)
		}
		seen[m.id] = true
	}
	for id, m := range there {
		if !seen[id] && (m.to == "" || slices.Contains(strings.Fields(m.to), p.id)) {
			t.blamef("message %s is not shown to %s", id, p.id)
		}
	}
}

// judgeMessage compares a message with the last that was told of it. Changes
// whose outcome nobody knows may have followed.
func judgeMessage(id string, d *dossier, there map[string]message, t *tally) {
	last := d.told[len(d.told)-1]
	doubted := func(k kind, label string) bool {
		return slices.ContainsFunc(d.doubts, func(w *wish) bool { return w.kind == k && w.label == label })
	}
	found, ok := there[id]
	switch {
	case !ok && last.kind != deleted && !doubted(deleted, ""):
		t.lost++
		t.blamef("message %s of %d, told of, is lost", id, d.told[0].message.at)
		return
	case ok && last.kind == deleted:
		t.undone++
		t.blamef("message %s was deleted and is there", id)
		return
	case !ok:
		return
	}
	want := last.message
	if found.label != want.label && doubted(edited, found.label) {
		want.label, want.edited = found.label, true
	}
	if found.pinned && doubted(pinned, "") || !found.pinned && doubted(unpinned, "") {
		want.pinned = found.pinned
	}
	if !found.same(want) {
		t.undone++
		t.blamef("message %s is %+v, the last told of it was %s: %+v", id, found, last.kind, want)
	}
}

// judgeOrder compares what a voice heard with what is there: leaving out what
// is gone, it heard the beginning of it, all of it, and in this order.
func judgeOrder(v *voice, fresh []message, t *tally) {
	there := make(map[string]bool, len(fresh))
	for _, m := range fresh {
		there[m.id] = true
	}
	n := 0
	for _, heard := range v.heard {
		if heard.kind != said || !there[heard.id] {
			continue
		}
		if n == len(fresh) || fresh[n].id != heard.id {
			t.blamef("voice %d heard %s as number %d, which is not where it is", v.number, heard.id, n+1)
			return
		}
		n++
	}
}

// replayed is how many of the messages a voice has missed it has to be told of
// at least when it comes back. The server tells 1,000 entries; some of them are
// changes.
const replayed = 500

// judgeMissed compares what a returning voice was told with what it had not
// heard before.
func judgeMissed(v *voice, fresh []message, t *tally) {
	heard := make(map[string]bool)
	for _, h := range v.heard {
		heard[h.id] = heard[h.id] || h.kind == said
	}
	var missing, missed []string
	for _, m := range fresh {
		if !heard[m.id] {
			missing = append(missing, m.id)
		}
	}
	for _, m := range v.missed {
		if m.kind == said && !heard[m.id] {
			missed = append(missed, m.id)
		}
	}
	missing = missing[max(0, len(missing)-replayed):]
	if len(missed) < len(missing) || !slices.Equal(missed[len(missed)-len(missing):], missing) {
		t.blamef("voice %d came back and was told of %d messages; it had missed %d", v.number, len(missed), len(missing))
	}
}
