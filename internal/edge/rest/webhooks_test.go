package rest_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestWebhooksCanBeMadeListedChangedAndDeleted(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		made := f.call(form, "POST", "/webhooks", `{"name":"mine","url":"https://example.com/hook?x=1","events":["meeting.started","meeting.chatSynced","meeting.started"]}`).object(http.StatusCreated)
		if made["enabled"] != true || made["url"] != "https://example.com/hook?x=1" || len(made["events"].([]any)) != 2 {
			t.Errorf("made %v", made)
		}
		path := "/webhooks/" + text(t, made, "id")
		listed := f.call(form, "GET", "/webhooks", "")
		if len(listed.rows()) != 1 || listed.body["paging"] != nil {
			t.Errorf("listed %s", listed.raw)
		}
		if got := f.call(form, "GET", path, "").object(http.StatusOK); got["name"] != "mine" || got["created_at"] != made["created_at"] {
			t.Errorf("got %v", got)
		}
		changed := f.call(form, "PATCH", path, `{"enabled":false,"events":["recording.statusUpdate"]}`).object(http.StatusOK)
		if changed["enabled"] != false || changed["name"] != "mine" || changed["events"].([]any)[0] != "recording.statusUpdate" {
			t.Errorf("changed %v", changed)
		}
		replaced := f.call(form, "PUT", path, `{"name":"other","url":"http://example.org","events":["meeting.ended"]}`).object(http.StatusOK)
		if replaced["enabled"] != true || replaced["name"] != "other" {
			t.Errorf("replaced %v", replaced)
		}
		if all := f.call(form, "GET", "/webhooks/all", "").rows(); len(all) != 9 || all[0] != "meeting.started" {
			t.Errorf("the events are %v", all)
		}
		if deleted := f.call(form, "DELETE", path, "").object(http.StatusOK); deleted["name"] != "other" {
			t.Errorf("deleted %v", deleted)
		}
		f.call(form, "GET", path, "").refused(http.StatusNotFound)
		f.call(form, "DELETE", path, "").refused(http.StatusNotFound)
	})
}

func TestBadWebhooksAreRefused(t *testing.T) {
	inBothForms(t, func(t *testing.T, f *fixture, form form) {
		made := f.call(form, "POST", "/webhooks", `{"name":"mine","url":"https://example.com","events":["meeting.ended"]}`).object(http.StatusCreated)
		path := "/webhooks/" + text(t, made, "id")
		for body, field := range map[string]string{
			`{"url":"https://example.com","events":["meeting.ended"]}`:                                      "name",
			`{"name":"n","events":["meeting.ended"]}`:                                                       "url",
			`{"name":"n","url":"https://example.com"}`:                                                      "events",
			`{"name":"n","url":"https://example.com","events":[]}`:                                          "events",
			`{"name":"n","url":"https://example.com","events":["meeting.exploded"]}`:                        "events",
			`{"name":"n","url":"ftp://example.com","events":["meeting.ended"]}`:                             "url",
			`{"name":"n","url":"https://me:secret@example.com","events":["meeting.ended"]}`:                 "url",
			`{"name":"n","url":"https://127.0.0.1/","events":["meeting.ended"]}`:                            "url",
			`{"name":"n","url":"https://[::ffff:10.0.0.1]/","events":["meeting.ended"]}`:                    "url",
			`{"name":"n","url":"https://0x7f000001/","events":["meeting.ended"]}`:                           "url",
			`{"name":"n","url":"https://localhost:9/","events":["meeting.ended"]}`:                          "url",
			`{"name":"n","url":"/path","events":["meeting.ended"]}`:                                         "url",
			`{"name":"` + strings.Repeat("x", 257) + `","url":"https://x.test","events":["meeting.ended"]}`: "name",
		} {
			if message := f.call(form, "POST", "/webhooks", body).refused(http.StatusBadRequest); !strings.Contains(message, `"`+field+`"`) {
				t.Errorf("%.90s is refused with %q, which does not name %s", body, message, field)
			}
			if message := f.call(form, "PUT", path, body).refused(http.StatusBadRequest); !strings.Contains(message, `"`+field+`"`) {
				t.Errorf("%.90s is refused with %q, which does not name %s", body, message, field)
			}
		}
		f.call(form, "GET", "/webhooks/nonsense", "").refused(http.StatusBadRequest)
		other := f.tenant("other")
		f.send(form.request(other, "GET", path, nil)).refused(http.StatusNotFound)
		f.send(form.request(other, "DELETE", path, nil)).refused(http.StatusNotFound)
		if got := f.call(form, "GET", path, "").object(http.StatusOK); got["name"] != "mine" {
			t.Errorf("after all that it is %v", got)
		}
	})
}
