package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/session"
)

// attended is a meeting with a live session, and who is in it.
type attended struct {
	meeting, session string
	participants     []string
	peers            []string
}

// attend makes a meeting where so many people are.
func (f *fixture) attend(form form, title string, people int) attended {
	f.Helper()
	a := attended{meeting: text(f, f.meeting(form, `{"title":"`+title+`"}`), "id")}
	for i := range people {
		added := f.call(form, "POST", "/meetings/"+a.meeting+"/participants",
			fmt.Sprintf(`{"custom_participant_id":"u-%d","name":"Person %d","preset_name":"group_call_host"}`, i, i)).object(http.StatusCreated)
		a.participants = append(a.participants, text(f, added, "id"))
		a.peers = append(a.peers, fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
		f.enter(&a, i)
	}
	return a
}

func (f *fixture) enter(a *attended, i int) {
	f.Helper()
	entered, err := f.sessions.Enter(f.Context(), session.Arrival{
		Meeting: chat.MeetingID(a.meeting), Peer: chat.PeerID(a.peers[i]), Participant: chat.ParticipantID(a.participants[i]),
		DisplayName: fmt.Sprintf("Person %d", i),
	}, chat.SessionID("11111111-0000-4000-8000-"+a.meeting[24:]))
	if err != nil {
		f.Fatal(err)
	}
	a.session = string(entered.ID)
}

func (f *fixture) leave(a attended, i int) {
	f.Helper()
	if err := f.db.Left(f.Context(), chat.SessionID(a.session), chat.PeerID(a.peers[i])); err != nil {
		f.Fatal(err)
	}
}

func TestSessionsAreShownInBothShapes(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		a := f.attend(form, "Standup", 3)
		got := f.call(form, "GET", "/sessions/"+a.session, "").object(http.StatusOK)
		inner, _ := got["session"].(map[string]any)
		for where, s := range map[string]map[string]any{"data": got, "data.session": inner} {
			if s["id"] != a.session || s["associated_id"] != a.meeting || s["status"] != "LIVE" || s["live_participants"] != 3.0 ||
				s["meeting_display_name"] != "Standup" || s["organization_id"] != string(f.app.ID) || s["type"] != "meeting" ||
				s["max_concurrent_participants"] != 3.0 || s["ended_at"] != nil {
				t.Errorf("%s: %v", where, s)
			}
		}
		active := f.call(form, "GET", "/meetings/"+a.meeting+"/active-session", "").object(http.StatusOK)
		if active["id"] != a.session {
			t.Errorf("active: %v", active)
		}
		listed := f.call(form, "GET", "/sessions?page_no=1&per_page=1&status=LIVE&participants=1:10&associated_id="+a.meeting+
			"&sort_by=minutesConsumed&sort_order=ASC&search=stand", "")
		rows, _ := listed.object(http.StatusOK)["sessions"].([]any)
		paging, _ := listed.body["paging"].(map[string]any)
		if len(rows) != 1 || rows[0].(map[string]any)["id"] != a.session || paging["total_count"] != 1.0 || paging["start_offset"] != 1.0 {
			t.Errorf("listed %s", listed.raw)
		}
		for _, query := range []string{"?status=ENDED", "?participants=4:", "?search=retro", "?associated_id=" + a.session, "?end_time=2020-01-01"} {
			rows, ok := f.call(form, "GET", "/sessions"+query, "").object(http.StatusOK)["sessions"].([]any)
			if !ok || len(rows) != 0 {
				t.Errorf("%s gives %v", query, rows)
			}
		}
		for query, field := range map[string]string{
			"?status=ASLEEP": "status", "?participants=x": "participants", "?participants=3:1": "participants", "?associated_id=x": "associated_id",
			"?start_time=yesterday": "start_time", "?sort_by=mood": "sort_by",
		} {
			if message := f.call(form, "GET", "/sessions"+query, "").refused(http.StatusBadRequest); !strings.Contains(message, field) {
				t.Errorf("%s is refused with %q", query, message)
			}
		}
		other := f.tenant("other")
		for _, path := range []string{"/sessions/" + a.session, "/sessions/" + a.session + "/participants", "/sessions/" + a.session + "/chat",
			"/meetings/" + a.meeting + "/active-session"} {
			f.send(form.request(other, "GET", path, nil)).refused(http.StatusNotFound)
		}
	})
}

func TestWhoWasThereIsShown(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		a := f.attend(form, "Standup", 3)
		f.leave(a, 1)
		f.enter(&a, 1)
		f.leave(a, 2)
		path := "/sessions/" + a.session + "/participants"
		listed := f.call(form, "GET", path+"?sort_order=ASC&include_peer_events=true", "")
		rows, _ := listed.object(http.StatusOK)["participants"].([]any)
		if len(rows) != 3 {
			t.Fatalf("listed %s", listed.raw)
		}
		second, _ := rows[1].(map[string]any)
		events, _ := second["peer_events"].([]any)
		if second["id"] != a.peers[1] || second["user_id"] != a.participants[1] || second["custom_participant_id"] != "u-1" ||
			second["display_name"] != "Person 1" || second["preset_name"] != "group_call_host" || second["left_at"] != nil || len(events) != 3 {
			t.Errorf("the second is %v", second)
		}
		if third, _ := rows[2].(map[string]any); third["left_at"] == nil {
			t.Errorf("the third is %v", third)
		}
		inner, _ := listed.object(http.StatusOK)["paging"].(map[string]any)
		outer, _ := listed.body["paging"].(map[string]any)
		if inner["total_count"] != 3.0 || outer["total_count"] != 3.0 {
			t.Errorf("paging %v and %v", inner, outer)
		}
		one, _ := f.call(form, "GET", path+"/"+a.peers[1], "").object(http.StatusOK)["participant"].(map[string]any)
		if one["id"] != a.peers[1] || one["peer_events"] != nil {
			t.Errorf("one is %v", one)
		}
		f.call(form, "GET", path+"/00000000-0000-4000-8000-999999999999", "").refused(http.StatusNotFound)
	})
}

func TestPeopleCanBeTakenOut(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		a := f.attend(form, "Standup", 4)
		active := "/meetings/" + a.meeting + "/active-session"
		kicked := f.call(form, "POST", active+"/kick", `{"participant_ids":["`+a.participants[0]+`"],"custom_participant_ids":["u-1"]}`).object(http.StatusOK)
		people, _ := kicked["participants"].([]any)
		if kicked["action"] != "kick" || len(people) != 2 || people[0].(map[string]any)["name"] != "Person 0" {
			t.Errorf("kicked %v", kicked)
		}
		f.call(form, "POST", active+"/kick", `{"participant_ids":["00000000-0000-4000-8000-999999999999"]}`).refused(http.StatusNotFound)
		f.call(form, "POST", active+"/kick", `{"participant_ids":["nonsense"]}`).refused(http.StatusBadRequest)
		f.call(form, "POST", active+"/kick", `{}`).refused(http.StatusBadRequest)
		f.call(form, "POST", active+"/kick", ``).refused(http.StatusBadRequest)
		other := f.tenant("other")
		f.send(form.request(other, "POST", active+"/kick-all", nil)).refused(http.StatusNotFound)
		f.send(form.request(other, "POST", active+"/kick", strings.NewReader(`{"custom_participant_ids":["u-2"]}`))).refused(http.StatusNotFound)

		all := f.call(form, "POST", active+"/kick-all", "").object(http.StatusOK)
		if all["action"] != "kick_all" || all["kicked_participants_count"] != 2.0 {
			t.Errorf("kicked all: %v", all)
		}
		for _, call := range []string{"GET ", "POST /kick-all"} {
			method, path, _ := strings.Cut(call, " ")
			if message := f.call(form, method, active+path, "").refused(http.StatusNotFound); message != "No active session found for meeting_id "+a.meeting {
				t.Errorf("%s is refused with %q", call, message)
			}
		}
		ended := f.call(form, "GET", "/sessions/"+a.session, "").object(http.StatusOK)
		if ended["status"] != "ENDED" || ended["ended_at"] == nil || ended["live_participants"] != 0.0 {
			t.Errorf("after that it is %v", ended)
		}
	})
}

func TestThereIsALinkToTheChatOfASession(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		a := f.attend(form, "Standup", 1)
		path := "/sessions/" + a.session + "/chat"
		got := f.call(form, "GET", path, "").object(http.StatusOK)
		link := text(t, got, "chat_download_url")
		expiry, err := time.Parse(time.RFC3339, text(t, got, "chat_download_url_expiry"))
		if err != nil || !strings.HasPrefix(link, "https://api.example.com/v1/exports/"+a.session+".csv?") || expiry.Before(f.now().Add(6*24*time.Hour)) {
			t.Errorf("%v", got)
		}
		if safe := f.call(form, "GET", path+"?format=safe-csv", "").object(http.StatusOK); !strings.Contains(text(t, safe, "chat_download_url"), "format=safe-csv") {
			t.Errorf("%v", safe)
		}
		f.call(form, "GET", path+"?format=pdf", "").refused(http.StatusBadRequest)
		f.call(form, "GET", "/sessions/00000000-0000-4000-8000-999999999999/chat", "").refused(http.StatusNotFound)
	})
}

func TestWhatAChatServerHasNotIsSaid(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		for path, thing := range map[string]string{
			"/recordings": "recordings", "/sessions/x/transcript": "transcripts", "/meetings/x/livestreams": "livestreams",
			"/sessions/peer-report/x": "call statistics", "/meetings/x/active-session/mute-all": "microphones",
		} {
			if message := f.call(form, "GET", path, "").refused(http.StatusNotFound); !strings.Contains(message, thing) {
				t.Errorf("%s is refused with %q", path, message)
			}
		}
	})
}
