package rest_test

import (
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestAddParticipant(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		path := "/meetings/" + text(t, f.meeting(form, ""), "id") + "/participants"
		made := f.call(form, "POST", path,
			`{"custom_participant_id":"u-42","preset_name":"group_call_host","name":"Zoë","picture":"https://example.com/z.png","x":1}`).object(http.StatusCreated)
		for key, want := range map[string]any{
			"custom_participant_id": "u-42", "preset_name": "group_call_host", "name": "Zoë",
			"picture": "https://example.com/z.png", "updated_at": made["created_at"],
		} {
			if made[key] != want {
				t.Errorf("%s is %v, want %v", key, made[key], want)
			}
		}
		who, err := f.tokens.Verify(text(t, made, "token"))
		if err != nil || string(who.Participant) != made["id"] || who.App != f.app.ID || !strings.Contains(path, string(who.Meeting)) {
			t.Errorf("the token is for %+v, %v", who, err)
		}
		shown := maps.Clone(made)
		delete(shown, "token")
		if got := f.call(form, "GET", path+"/"+text(t, made, "id"), "").object(http.StatusOK); !reflect.DeepEqual(got, shown) {
			t.Errorf("got %v, want %v without a token", got, shown)
		}
		if got := f.call(form, "GET", path, "").rows(); len(got) != 1 || !reflect.DeepEqual(got[0], any(shown)) {
			t.Errorf("listed %v, want %v without a token", got, shown)
		}
	})
}

func TestParticipantWithoutNameAndPicture(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		path := "/meetings/" + text(t, f.meeting(form, ""), "id") + "/participants"
		for _, body := range []string{
			`{"custom_participant_id":"a","preset_name":"webinar_viewer"}`,
			`{"custom_participant_id":"a","preset_name":"webinar_viewer","name":null,"picture":null}`,
			`{"client_specific_id":"a","preset_name":"webinar_viewer","name":"","picture":""}`,
		} {
			made := f.call(form, "POST", path, body).object(http.StatusCreated)
			name, named := made["name"]
			picture, pictured := made["picture"]
			if !named || name != nil || !pictured || picture != nil || made["custom_participant_id"] != "a" {
				t.Errorf("%s makes %v", body, made)
			}
		}
		if got := f.call(form, "GET", path+"?per_page=2&page_no=2", ""); len(got.rows()) != 1 || !reflect.DeepEqual(got.body["paging"], pagingOf(3, 3, 3)) {
			t.Errorf("the last page is %s", got.raw)
		}
	})
}

func TestBadParticipantsAreRefusedAndNotMade(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		path := "/meetings/" + text(t, f.meeting(form, ""), "id") + "/participants"
		for body, want := range map[string]string{
			"":                               "body",
			`{}`:                             `"custom_participant_id" is required`,
			`{"custom_participant_id":"a"}`:  `"preset_name" is required`,
			`{"custom_participant_id":null}`: `"custom_participant_id" is required`,
			`{"custom_participant_id":7,"preset_name":"group_call_host"}`:                                             `"custom_participant_id"`,
			`{"custom_participant_id":"a","preset_name":"group_call_host","picture":"javascript:alert(1)"}`:           `"picture"`,
			`{"custom_participant_id":"a","preset_name":"group_call_host","name":"` + strings.Repeat("n", 257) + `"}`: `"name"`,
		} {
			if got := f.call(form, "POST", path, body).refused(http.StatusBadRequest); !strings.Contains(got, want) {
				t.Errorf("%.60q: %q, want it to tell of %s", body, got, want)
			}
		}
		if got := f.call(form, "POST", path, `{"custom_participant_id":"a","preset_name":"nobody"}`).refused(http.StatusNotFound); !strings.Contains(got, "preset") {
			t.Errorf("an unknown preset is refused with %q", got)
		}
		if rows := f.call(form, "GET", path, "").rows(); len(rows) != 0 {
			t.Errorf("%d participants were made", len(rows))
		}
	})
}

func TestParticipantsOfUnknownMeetings(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		const nowhere = "/meetings/00000000-0000-4000-8000-000000000000/participants"
		f.call(form, "GET", nowhere, "").refused(http.StatusNotFound)
		f.call(form, "POST", nowhere, `{"custom_participant_id":"a","preset_name":"group_call_host"}`).refused(http.StatusNotFound)
		f.call(form, "GET", nowhere+"/00000000-0000-4000-8000-000000000001", "").refused(http.StatusNotFound)
		f.call(form, "GET", "/meetings/x/participants/y", "").refused(http.StatusBadRequest)
	})
}
