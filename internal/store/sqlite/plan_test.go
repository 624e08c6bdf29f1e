package sqlite_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/audit"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/session"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// mayScan names steps that walk all rows of something, and why that is little.
// The words of the statement keep an alias from standing for another table.
var mayScan = []struct{ step, part, why string }{
	{"SCAN k", "FROM api_keys k", "keys of the API are few, and made by operators"},
	{"SCAN a", "FROM apps a", "apps are few, and made by operators"},
	{"SCAN w", "FROM webhooks w", "each app has a few webhooks"},
	{"SCAN ended_sessions", "", "holds only what is still to be told"},
	{"SCAN p", "WINDOW them AS", "the peers of one session"},
	{"SCAN uploads", "INSERT INTO meetings", "looks for rows that waited for their parent, and none can"},
	{"SCAN sessions USING INDEX sessions_live", "UPDATE sessions SET ends_at", "live sessions, once after a start"},
	{"SCAN audit", "ORDER BY no DESC LIMIT 1", "one row, from the end"},
	{"SCAN CONSTANT ROW", "", "is one row"},
	{"SCAN (", "", "walks what another step of the plan has found"},
}

// maySort names statements that sort what they have found, and why that is
// little.
var maySort = []struct{ part, why string }{
	{`UNION ALL SELECT s.id`, "by spent: a page from the index, and sessions where somebody is"},
	{` FROM presets r`, "the presets of one app"},
	{` FROM apps a`, "the apps of one account"},
	{` FROM peers p WHERE p.session = ?`, "the peers of one session"},
	{`WINDOW them AS`, "the peers of one session"},
	{`FROM peer_events e`, "what one participant did in one session"},
	{`JOIN deliveries d`, "what is due to be delivered, and no more of it than is taken"},
	{` FROM api_keys k`, "the keys of the API"},
}

// wantPlan demands that a statement walks no whole table and sorts nothing but
// what is allowed above.
func wantPlan(t testing.TB, text string, plan []string) {
	t.Helper()
	for _, step := range plan {
		switch {
		case strings.HasPrefix(step, "SCAN ") && !slices.ContainsFunc(mayScan, func(s struct{ step, part, why string }) bool {
			return (step == s.step || strings.HasPrefix(step, s.step+" ") || strings.HasSuffix(s.step, "(") && strings.HasPrefix(step, s.step)) &&
				strings.Contains(text, s.part)
		}):
			t.Errorf("%s\nwalks a whole table: %s", text, step)
		case strings.HasPrefix(step, "USE TEMP B-TREE") && !slices.ContainsFunc(maySort, func(s struct{ part, why string }) bool {
			return strings.Contains(text, s.part)
		}):
			t.Errorf("%s\nsorts: %s", text, step)
		}
	}
}

// Whatever lists, filters and sorts ask for goes by an index.
func TestListsGoByAnIndex(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	for _, search := range []string{"", "Ann"} {
		for _, from := range []time.Time{{}, tk.now()} {
			for _, to := range []time.Time{{}, tk.now()} {
				for _, active := range []*bool{nil, new(bool)} {
					l := directory.List{Search: search, From: from, To: to, Active: active}
					_, _, err := tk.Meetings(t.Context(), tk.app, l)
					tk.must(err)
					_, _, err = tk.Participants(t.Context(), tk.app, tk.meeting, l)
					tk.must(err)
					_, _, err = tk.Presets(t.Context(), tk.app, l)
					tk.must(err)
				}
				tk.listSessions(session.List{Page: session.Page{Search: search}, From: from, To: to})
			}
		}
	}
	tk.listAudit()
	if n := len(tk.Statements()); n < 50 {
		t.Errorf("only %d statements were prepared", n)
	}
	wantPlans(t, tk.DB)
}

// listSessions asks for a list in all states and orders.
func (tk *talk) listSessions(l session.List) {
	tk.tb.Helper()
	for _, l.Order = range []session.Order{session.ByTime, session.BySpent} {
		for _, l.Ascending = range []bool{false, true} {
			for _, l.Status = range []session.Status{"", session.Live, session.Ended} {
				for _, l.Meeting = range []chat.MeetingID{"", tk.meeting} {
					for _, l.Least = range []int{0, 1} {
						l.Most = 2 * l.Least
						_, _, err := tk.Sessions(tk.tb.Context(), tk.app, l)
						tk.must(err)
					}
				}
			}
		}
	}
	for _, consolidated := range []bool{false, true} {
		_, _, err := tk.SessionPeers(tk.tb.Context(), tk.app, tk.session, session.PeerList{Page: l.Page, Consolidated: consolidated, Events: true})
		tk.must(err)
	}
}

// listAudit looks for rows of the audit log by whatever they are looked for by.
func (tk *talk) listAudit() {
	tk.tb.Helper()
	for _, l := range []audit.List{
		{}, {App: tk.app}, {Meeting: tk.meeting}, {Actor: "somebody"}, {Object: "something"}, {Action: "message.delete"},
		{App: tk.app, Meeting: tk.meeting, Actor: "somebody", Object: "something", Action: "message.delete", From: tk.now(), To: tk.now(), Before: 7},
	} {
		_, _, err := tk.AuditLog(tk.tb.Context(), l)
		tk.must(err)
	}
}

// wantPlans demands it of all statements that a store has prepared.
func wantPlans(tb testing.TB, db *sqlite.DB) {
	tb.Helper()
	for _, text := range db.Statements() {
		plan, err := db.Plan(context.WithoutCancel(tb.Context()), text)
		if err != nil {
			tb.Errorf("%s: %v", text, err)
		}
		wantPlan(tb, text, plan)
	}
}

// How many rows a list has is known without counting, and stays right.
func TestKeptCountsFollowTheRows(t *testing.T) {
	tk := newTalk(t, t.TempDir())
	want := func(when string, meetings, inactive, participants, sessions, live int) {
		t.Helper()
		_, m, err := tk.Meetings(t.Context(), tk.app, directory.List{})
		tk.must(err)
		_, i, err := tk.Meetings(t.Context(), tk.app, directory.List{Active: new(bool)})
		tk.must(err)
		_, p, err := tk.Participants(t.Context(), tk.app, tk.meeting, directory.List{})
		tk.must(err)
		_, s, err := tk.Sessions(t.Context(), tk.app, session.List{})
		tk.must(err)
		_, l, err := tk.Sessions(t.Context(), tk.app, session.List{Status: session.Live})
		tk.must(err)
		if got, want := [...]int{m, i, p, s, l}, [...]int{meetings, inactive, participants, sessions, live}; got != want {
			t.Errorf("%s: meetings, inactive, participants, sessions, live are %v, want %v", when, got, want)
		}
	}
	want("at first", 1, 0, 2, 1, 1)
	other := tk.newMeeting(directory.NewMeeting{})
	_, err := tk.DeleteParticipant(t.Context(), tk.app, tk.meeting, tk.b.Participant)
	tk.must(err)
	want("with another meeting and without Bob", 2, 0, 1, 1, 1)
	_, err = tk.ChangeMeeting(t.Context(), tk.app, other, func(m *directory.Meeting) error { m.Active = false; return nil })
	tk.must(err)
	want("when the other is closed", 2, 1, 1, 1, 1)
	tk.close()
	rawExec(t, tk.dir, `UPDATE sessions SET ended_at = 1`)
	tk.open()
	want("when the session has ended", 2, 1, 1, 1, 0)
}
