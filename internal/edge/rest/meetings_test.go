package rest_test

import (
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestCreateMeeting(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		made := f.meeting(form, `{"title":"Standup","persist_chat":true,"record_on_start":true,"session_keep_alive_time_in_secs":30,
			"preferred_region":"us-east-1","ai_config":{"transcription":{"language":"de"}},"a_key_of_tomorrow":[1]}`)
		id := text(t, made, "id")
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
			t.Errorf("the id %s is no UUID of version 4", id)
		}
		if at := text(t, made, "created_at"); !regexp.MustCompile(`^2026-05-01T09:\d\d:\d\d\.\d{3}Z$`).MatchString(at) {
			t.Errorf("created_at is %s, want RFC 3339 with milliseconds", at)
		}
		for key, want := range map[string]any{
			"title": "Standup", "status": "ACTIVE", "persist_chat": true, "record_on_start": true, "live_stream_on_start": false,
			"summarize_on_end": false, "transcribe_on_end": false, "session_keep_alive_time_in_secs": 30.0, "preferred_region": "us-east-1",
			"ai_config": map[string]any{"transcription": map[string]any{"language": "de"}}, "updated_at": made["created_at"],
		} {
			if !reflect.DeepEqual(made[key], want) {
				t.Errorf("%s is %v, want %v", key, made[key], want)
			}
		}
		if _, found := made["a_key_of_tomorrow"]; found {
			t.Error("an unknown key came back")
		}
		if got := f.call(form, "GET", "/meetings/"+id, "").object(http.StatusOK); !reflect.DeepEqual(got, made) {
			t.Errorf("got %v, want %v", got, made)
		}
	})
}

func TestCreateMeetingWantsNothing(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		for _, body := range []string{
			"", "{}", `{"title":null,"persist_chat":null,"session_keep_alive_time_in_secs":null,"ai_config":null,"preferred_region":null,"record_on_start":null}`,
		} {
			made := f.meeting(form, body)
			if made["title"] != "" || made["persist_chat"] != false || made["session_keep_alive_time_in_secs"] != 60.0 {
				t.Errorf("%q makes %v", body, made)
			}
		}
	})
}

func TestBadMeetingsAreRefusedAndNotMade(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		for body, want := range map[string]string{
			`{"title":7}`:                                   `"title"`,
			`{"persist_chat":"yes"}`:                        `"persist_chat"`,
			`{"session_keep_alive_time_in_secs":601}`:       "600",
			`{"session_keep_alive_time_in_secs":0}`:         "whole number",
			`{"session_keep_alive_time_in_secs":1.5}`:       "whole number",
			`{"session_keep_alive_time_in_secs":-1}`:        "whole number",
			`{"session_keep_alive_time_in_secs":1e9}`:       "600",
			`{"preferred_region":"mars"}`:                   `"preferred_region"`,
			`{"ai_config":[1]}`:                             `"ai_config"`,
			`{"title":"a\u0000b"}`:                          "NUL",
			`{"title":"` + strings.Repeat("t", 1025) + `"}`: "1024",
			"{\"title\":\"\xff\"}":                          "UTF-8",
			`{"title":`:                                     "",
			`null`:                                          "object",
			`[]`:                                            "object",
			`"title"`:                                       "object",
		} {
			got := f.call(form, "POST", "/meetings", body).refused(http.StatusBadRequest)
			if !strings.HasPrefix(got, "BAD_REQUEST: ") || !strings.Contains(got, want) {
				t.Errorf("%.60q: %q, want it to tell of %s", body, got, want)
			}
		}
		if rows := f.call(form, "GET", "/meetings", "").rows(); len(rows) != 0 {
			t.Errorf("%d meetings were made", len(rows))
		}
	})
}

func TestBodiesAreBounded(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		body := func(size int) string { return `{"unknown":"` + strings.Repeat("x", size-len(`{"unknown":""}`)) + `"}` }
		f.call(form, "POST", "/meetings", body(64<<10)).object(http.StatusCreated)
		f.call(form, "POST", "/meetings", body(64<<10+1)).refused(http.StatusRequestEntityTooLarge)
	})
}

func TestBodyOfAnotherTypeIsRefused(t *testing.T) {
	f := start(t)
	r := forms()[0].request(f.app, "POST", "/meetings", strings.NewReader("title=a"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	f.send(r).refused(http.StatusUnsupportedMediaType)
}

func TestMeetingIDsComeWithAndWithoutDashes(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		id := text(t, f.meeting(form, ""), "id")
		for _, written := range []string{id, strings.ReplaceAll(id, "-", ""), strings.ToUpper(id)} {
			if got := f.call(form, "GET", "/meetings/"+written, "").object(http.StatusOK); got["id"] != id {
				t.Errorf("%s gives %v", written, got["id"])
			}
		}
		for _, wrong := range []string{"1", "{" + id + "}", "urn:uuid:" + id, id + "0", strings.Repeat("z", 36), "%00"} {
			if got := f.call(form, "GET", "/meetings/"+wrong, "").refused(http.StatusBadRequest); got != `BAD_REQUEST: "meeting_id" must be a valid GUID` {
				t.Errorf("%s: %q", wrong, got)
			}
		}
		f.call(form, "GET", "/meetings/00000000-0000-4000-8000-000000000000", "").refused(http.StatusNotFound)
		f.call(form, "GET", "/meetings/"+id+"?name=ignored", "").object(http.StatusOK)
	})
}

func TestMeetingsArePaged(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		if got := f.call(form, "GET", "/meetings", ""); len(got.rows()) != 0 || !reflect.DeepEqual(got.body["paging"], pagingOf(0, 0, 0)) {
			t.Errorf("an empty list is %s", got.raw)
		}
		for i := range 27 {
			f.meeting(form, fmt.Sprintf(`{"title":"%d"}`, i))
		}
		for _, c := range []struct {
			query           string
			first           string
			rows            int
			startAt, endsAt int
		}{
			{"", "26", 25, 1, 25},
			{"?page_no=&per_page=&search=&status=&start_time=&end_time=", "26", 25, 1, 25},
			{"?page_no=0", "26", 25, 1, 25},
			{"?page_no=2", "1", 2, 26, 27},
			{"?page_no=3&per_page=10", "6", 7, 21, 27},
			{"?page_no=4&per_page=10", "", 0, 0, 0},
			{"?per_page=0", "26", 25, 1, 25},
			{"?per_page=1000", "26", 27, 1, 27},
			{"?page_no=9223372036854775807&per_page=100", "", 0, 0, 0},
			{"?an_unknown=1&per_page=1", "26", 1, 1, 1},
		} {
			got := f.call(form, "GET", "/meetings"+c.query, "")
			rows := got.rows()
			first := ""
			if len(rows) > 0 {
				first = text(t, rows[0].(map[string]any), "title")
			}
			if len(rows) != c.rows || first != c.first || !reflect.DeepEqual(got.body["paging"], pagingOf(27, c.startAt, c.endsAt)) {
				t.Errorf("%q: %d rows from %q, paging %v; want %d from %q, %v", c.query, len(rows), first, got.body["paging"],
					c.rows, c.first, pagingOf(27, c.startAt, c.endsAt))
			}
		}
	})
}

func pagingOf(total, first, last int) map[string]any {
	return map[string]any{"total_count": float64(total), "start_offset": float64(first), "end_offset": float64(last)}
}

func TestMeetingsCanBeFiltered(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		first := f.meeting(form, `{"title":"First"}`)
		f.meeting(form, `{"title":"Second"}`)
		for query, want := range map[string]int{
			"?search=FIRST":                   1,
			"?search=r":                       1,
			"?search=zzz":                     0,
			"?search=" + text(t, first, "id"): 1,
			"?status=ACTIVE":                  2,
			"?status=INACTIVE":                0,
			"?end_time=" + text(t, first, "created_at"): 1,
			"?start_time=2026-05-02":                    0,
			"?start_time=2026-05-01T10:00:00%2B02:00":   2,
		} {
			if got := f.call(form, "GET", "/meetings"+query, "").rows(); len(got) != want {
				t.Errorf("%s: %d meetings, want %d", query, len(got), want)
			}
		}
		for _, query := range []string{
			"?page_no=-1", "?per_page=-1", "?page_no=two", "?page_no=99999999999999999999", "?status=OPEN", "?start_time=yesterday",
			"?search=" + strings.Repeat("s", 257), "?search=%FF", "?search=%00",
		} {
			f.call(form, "GET", "/meetings"+query, "").refused(http.StatusBadRequest)
		}
	})
}
