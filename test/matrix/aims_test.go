package matrix_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/parley-chat/parley/internal/chat"
)

// aim is a route together with something that it is called about.
type aim struct {
	object, like string
	at           func(w *world, route string) call
}

// of gives an aim for each object of a kind. Ids in braces in query and body
// are filled in, by the names of the kind's ids.
func of(kind, query, body string) []aim {
	var all []aim
	for _, o := range kinds[kind] {
		all = append(all, aim{object: o.name, like: o.like, at: func(w *world, route string) call {
			made := o.make(w)
			method, path := w.fill(route, escaped(made))
			c := call{method: method, path: path, body: replaced(body, made)}
			if query != "" {
				c.path += "?" + replaced(query, made)
			}
			for _, id := range made {
				c.hide = append(c.hide, id)
			}
			return c
		}})
	}
	return all
}

// about renames the objects of aims that do otherwise the same.
func about(what string, all []aim) []aim {
	for i := range all {
		all[i].object = what + " " + all[i].object
		if all[i].like != "" {
			all[i].like = what + " " + all[i].like
		}
	}
	return all
}

func escaped(i ids) ids {
	out := ids{}
	for name, id := range i {
		out[name] = url.PathEscape(id)
	}
	return out
}

func replaced(text string, i ids) string {
	for name, id := range i {
		text = strings.ReplaceAll(text, "{"+name+"}", id)
	}
	return strings.ReplaceAll(text, "{fresh}", freshID())
}

// handsOn are routes behind which another mux has routes of its own, and those
// of the whole rest.
var handsOn = map[string]bool{"/v1/uploads/": true, "/v1/files/": true}

const presetBody = `{"name":"p {fresh}","config":{"view_type":"GROUP_CALL","max_video_streams":{"mobile":1,"desktop":1},"max_screenshare_count":1,"media":{"video":{"quality":"vga","frame_rate":30},"screenshare":{"quality":"hd","frame_rate":5}}},"permissions":{},"ui":{"design_tokens":{}}}`

const webhookBody = `{"name":"w","url":"http://127.0.0.1:9/","events":["recording.statusUpdate"]}`

// aims are what every route is called about. Those of both forms of the API
// stand here once.
var aims = map[string][]aim{
	"POST /meetings":             of("nothing", "", `{"title":"t"}`),
	"GET /meetings":              append(of("nothing", "", ""), about("search for", of("in a list", "search={meeting_id}", ""))...),
	"GET /meetings/{meeting_id}": of("meeting", "", ""),
	"PATCH /meetings/{meeting_id}": append(of("meeting", "", `{"title":"t"}`),
		about("rules of", of("meeting", "", `{"chat":{"mode":"HOSTS","slow_mode_in_secs":5}}`))...),
	"PUT /meetings/{meeting_id}": of("meeting", "", `{"title":"t"}`),

	"POST /meetings/{meeting_id}/participants": append(
		of("meeting", "", `{"custom_participant_id":"c","preset_name":"group_call_host"}`),
		about("preset", of("preset of a participant", "", `{"custom_participant_id":"c","preset_name":"{preset}"}`))...),
	"GET /meetings/{meeting_id}/participants":                  of("meeting", "", ""),
	"GET /meetings/{meeting_id}/participants/{participant_id}": of("participant", "", ""),
	"PATCH /meetings/{meeting_id}/participants/{participant_id}": append(of("participant", "", `{"name":"n"}`),
		about("preset", of("preset of a participant", "", `{"preset_name":"{preset}"}`))...),
	"DELETE /meetings/{meeting_id}/participants/{participant_id}":     of("participant", "", ""),
	"POST /meetings/{meeting_id}/participants/{participant_id}/token": of("participant", "", ""),

	"POST /presets":               of("nothing", "", presetBody),
	"GET /presets":                append(of("nothing", "", ""), about("search for", of("foreign app", "search={app}", ""))...),
	"GET /presets/{preset_id}":    of("preset", "", ""),
	"PATCH /presets/{preset_id}":  of("preset", "", `{"permissions":{"chat":{"public":{"can_send":false}}}}`),
	"PUT /presets/{preset_id}":    of("preset", "", presetBody),
	"DELETE /presets/{preset_id}": of("preset", "", ""),

	"GET /meetings/{meeting_id}/active-session": of("live meeting", "", ""),
	"POST /meetings/{meeting_id}/active-session/kick": append(
		of("somebody here", "", `{"participant_ids":["{participant_id}"]}`),
		about("by custom id,", of("live meeting", "", `{"custom_participant_ids":["own"]}`))...),
	"POST /meetings/{meeting_id}/active-session/kick-all": of("live meeting", "", ""),

	"GET /sessions": append(append(of("nothing", "", ""),
		about("search for", of("in a list", "search={session_id}", ""))...),
		about("of meeting", of("in a list", "associated_id={meeting_id}", ""))...),
	"GET /sessions/{session_id}":                               of("session", "", ""),
	"GET /sessions/{session_id}/participants":                  of("session", "include_peer_events=true", ""),
	"GET /sessions/{session_id}/participants/{participant_id}": of("peer", "include_peer_events=true", ""),
	"GET /sessions/{session_id}/chat":                          append(of("session", "", ""), about("safe", of("session", "format=safe-csv", ""))...),

	"POST /webhooks":                of("nothing", "", webhookBody),
	"GET /webhooks":                 of("nothing", "", ""),
	"GET /webhooks/all":             of("nothing", "", ""),
	"GET /webhooks/{webhook_id}":    of("webhook", "", ""),
	"PATCH /webhooks/{webhook_id}":  of("webhook", "", `{"enabled":false}`),
	"PUT /webhooks/{webhook_id}":    of("webhook", "", webhookBody),
	"DELETE /webhooks/{webhook_id}": of("webhook", "", ""),

	"GET account:/apps":  append(of("nothing", "", ""), about("search for", of("foreign app", "search={app}", ""))...),
	"POST account:/apps": of("nothing", "", `{"name":"another"}`),

	// What was said, by API. It is a part of the meeting that a path names.
	"GET /v1/apps/{app_id}/meetings/{meeting_id}/messages": append(append(append(of("meeting", "", ""),
		about("private ones of", of("meeting", "include=private", ""))...),
		about("deleted ones of", of("meeting", "include=deleted", ""))...),
		about("both of", of("meeting", "include=private,deleted", ""))...),
	"GET /v1/apps/{app_id}/meetings/{meeting_id}/messages/{message_id}":         of("message", "", ""),
	"GET /v1/apps/{app_id}/meetings/{meeting_id}/messages/{message_id}/history": of("message", "", ""),

	"POST /v1/apps/{app_id}/meetings/{meeting_id}/messages": append(append(of("meeting", "", `{"text":"t"}`),
		about("for", of("speaker", "", `{"text":"t","participant_id":"{participant_id}"}`))...),
		about("to", of("speaker", "", `{"text":"t","recipients":["{participant_id}"]}`))...),
	"PATCH /v1/apps/{app_id}/meetings/{meeting_id}/messages/{message_id}":      of("message", "", `{"text":"t"}`),
	"DELETE /v1/apps/{app_id}/meetings/{meeting_id}/messages/{message_id}":     of("message", "", ""),
	"PUT /v1/apps/{app_id}/meetings/{meeting_id}/messages/{message_id}/pin":    of("message", "", ""),
	"DELETE /v1/apps/{app_id}/meetings/{meeting_id}/messages/{message_id}/pin": of("message", "", ""),

	"GET /v1/audit": append(of("nothing", "", ""), about("of", of("app of a key", "app_id={app}", ""))...),

	"POST /v1/api-keys": append(append(of("nothing", "", `{"name":"own","scopes":["read"]}`),
		about("app", of("app of a key", "", `{"name":"own","scopes":["read"],"app_id":"{app}"}`))...),
		about("that reads what is private", of("nothing", "", `{"name":"own","scopes":["private.read"]}`))...),
	"GET /v1/api-keys":             of("nothing", "", ""),
	"DELETE /v1/api-keys/{key_id}": of("key", "", ""),

	// What clients call with a participant's token.
	"GET /v2/internals/participant-details":            of("nothing", "", ""),
	"POST /v2/internals/rooms":                         of("nothing", "", `{}`),
	"GET /v2/plugins/user":                             of("nothing", "", ""),
	"GET /iceservers":                                  of("nothing", "", ""),
	"GET /v2/meetings/{meeting_id}/active-transcript":  of("meeting", "", ""),
	"GET /v2/meetings/{meeting_id}/active-livestream":  of("meeting", "", ""),
	"GET /v2/recordings/active-recording/{meeting_id}": of("meeting", "", ""),
	"POST /v2/meetings/chat-upload":                    uploads(`{"roomUUID":"{meeting_id}","filename":"own.txt"}`),
	"POST /v1/meetings/genPreSignedUploadUrl":          uploads(`{"roomUUID":"{meeting_id}","filename":"own.txt"}`),
	"PUT /v1/uploads/{id}":                             putLinks(),
	"GET /v1/files/{id}/{name}":                        readLinks(),
	"/v1/exports/":                                     exportLinks(),
	"/ws":                                              sockets(),

	// What is for everybody, and tells nothing.
	"POST /api/v1/identities/":           of("nothing", "", `{}`),
	"POST /api/v1/message":               of("nothing", "", `{}`),
	"POST /otel/logs":                    of("nothing", "", `{}`),
	"POST /logs/otel/logs":               of("nothing", "", `{}`),
	"GET /openapi":                       of("nothing", "", ""),
	"GET /openapi.json":                  of("nothing", "", ""),
	"GET /.well-known/webhooks.json":     of("nothing", "", ""),
	"GET /healthz":                       of("nothing", "", ""),
	"GET /readyz":                        of("nothing", "", ""),
	"/":                                  at("nothing there", http.MethodGet, "/nothing"),
	"/v2/meetings/chat-upload":           at("another method", http.MethodGet, "/v2/meetings/chat-upload"),
	"/v1/meetings/genPreSignedUploadUrl": at("another method", http.MethodGet, "/v1/meetings/genPreSignedUploadUrl"),
	"/v1/uploads/{id}":                   at("another method", http.MethodGet, "/v1/uploads/x"),
	"/v1/files/{id}/{name}":              at("another method", http.MethodPost, "/v1/files/x/y"),
}

// at is an aim at a path as it stands.
func at(object, method, path string) []aim {
	return []aim{{object: object, at: func(*world, string) call { return call{method: method, path: path} }}}
}

// uploads are requests for uploads to meetings. They are of the caller's own
// meeting alone; so home is.
func uploads(body string) []aim {
	meetings := []object{
		{"home", "", func(w *world) ids { return ids{"meeting_id": string(w.home())} }},
		{"own app's", "unknown", func(w *world) ids { return ids{"meeting_id": string(w.meeting(w.own.ID))} }},
		{"foreign", "unknown", func(w *world) ids { return ids{"meeting_id": string(w.meeting(w.other.ID))} }},
		{"unknown", "unknown", func(*world) ids { return ids{"meeting_id": freshID()} }},
	}
	var all []aim
	for _, o := range meetings {
		all = append(all, aim{object: o.name, like: o.like, at: func(w *world, route string) call {
			made := o.make(w)
			method, path := w.fill(route, made)
			return call{method: method, path: path, body: replaced(body, made), hide: []string{made["meeting_id"]}}
		}})
	}
	return all
}

// links are aims at links that were made, and at what others make of them.
func links(method, body string, made func(*world) string) []aim {
	tampered := func(object, like string, change func(string) string) aim {
		return aim{object: object, like: like, at: func(w *world, _ string) call {
			link := change(strings.TrimPrefix(made(w), w.web.URL))
			return call{method: method, path: link, body: body, hide: []string{link}}
		}}
	}
	return []aim{
		tampered("as it was made", "", func(link string) string { return link }),
		tampered("of another", "unknown", func(link string) string { return pathID.ReplaceAllString(link, "/"+freshID()) }),
		tampered("longer good", "unknown", func(link string) string { return expiry.ReplaceAllString(link, "exp=99999999999") }),
		tampered("another signature", "unknown", func(link string) string {
			return signature.ReplaceAllString(link, "sig="+strings.Repeat("A", 43))
		}),
		tampered("without a signature", "unknown", func(link string) string { return signature.ReplaceAllString(link, "") }),
	}
}

var (
	pathID    = regexp.MustCompile(`/[0-9a-f]{8}-[0-9a-f-]{27}`)
	expiry    = regexp.MustCompile(`exp=\d+`)
	signature = regexp.MustCompile(`sig=[\w-]+`)
)

// ask for an upload as a participant, and give its links.
func (w *world) upload(p person) (get, put string) {
	w.Helper()
	got := w.ask(call{method: http.MethodPost, path: "/v2/meetings/chat-upload", body: `{"roomUUID":"` + string(p.meeting) + `","filename":"own.txt"}`}, "Bearer "+p.token)
	if got.refused() {
		w.Fatalf("an upload is refused: %s", got.body)
	}
	var answer struct {
		Data struct {
			Get string `json:"get_location"`
			Put string `json:"put_location"`
		}
	}
	w.decode(got, &answer)
	return answer.Data.Get, answer.Data.Put
}

func putLinks() []aim {
	put := func(w *world, p person) string { _, put := w.upload(p); return put }
	somebody := func(w *world) person { return w.invite(w.own.ID, w.meeting(w.own.ID), "group_call_participant") }
	all := links(http.MethodPut, "bytes", func(w *world) string { return put(w, somebody(w)) })
	after := func(object string, change func(*world, person)) aim {
		return aim{object: object, at: func(w *world, _ string) call {
			p := somebody(w)
			link := put(w, p)
			change(w, p)
			return call{method: http.MethodPut, path: strings.TrimPrefix(link, w.web.URL), body: "bytes"}
		}}
	}
	return append(all,
		after("of who was deleted since", (*world).remove),
		after("of a meeting closed since", func(w *world, p person) { w.close(p.meeting) }),
		after("of who may no more", func(w *world, p person) { w.give(p, "mute") }),
	)
}

func readLinks() []aim {
	return links(http.MethodGet, "", func(w *world) string {
		get, put := w.upload(w.invite(w.own.ID, w.meeting(w.own.ID), "group_call_participant"))
		if got := w.ask(call{method: http.MethodPut, path: strings.TrimPrefix(put, w.web.URL), body: "bytes"}, ""); got.refused() {
			w.Fatalf("an upload is refused: %s", got.body)
		}
		return get
	})
}

func exportLinks() []aim {
	return links(http.MethodGet, "", func(w *world) string {
		live := w.live(w.own.ID)
		var link struct {
			URL string `json:"chat_download_url"`
		}
		w.call(w.own.ID, "GET /sessions/"+live["session_id"]+"/chat", "", &link)
		return link.URL
	})
}

// sockets are upgrades. What they have no header for goes by the query, so the
// caller's token is put there; see callSocket.
func sockets() []aim {
	to := func(object, like string, meeting func(*world) chat.MeetingID) aim {
		return aim{object: object, like: like, at: func(w *world, _ string) call {
			id := string(meeting(w))
			return call{method: socketMethod, path: id, hide: []string{id}}
		}}
	}
	return []aim{
		to("home", "", (*world).home),
		to("own app's", "unknown", func(w *world) chat.MeetingID { return w.meeting(w.own.ID) }),
		to("foreign", "unknown", func(w *world) chat.MeetingID { return w.meeting(w.other.ID) }),
		to("unknown", "unknown", func(*world) chat.MeetingID { return chat.MeetingID(freshID()) }),
	}
}

// socketMethod stands for an upgrade where the method of a call is.
const socketMethod = "UPGRADE"
