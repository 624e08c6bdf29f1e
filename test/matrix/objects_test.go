package matrix_test

import (
	"encoding/json"
	"strings"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/follow/webhook"
	"github.com/parley-chat/parley/internal/server"
)

// object is something that a route is called about.
type object struct {
	name string
	// like groups objects about which the answers must be the same, to the byte:
	// what is not there, and what is none of the caller's business. "" is alone.
	like string
	// make gives ids for the parameters of a path, and for the body. Each time it
	// is asked they are of something new.
	make func(*world) ids
}

// ids are by the names of parameters.
type ids map[string]string

func (i ids) with(name, id string) ids {
	i[name] = id
	return i
}

// kinds are the objects of each kind of route.
var kinds = map[string][]object{
	"meeting": {
		{"own", "", func(w *world) ids { return ids{"meeting_id": string(w.meeting(w.own.ID))} }},
		{"foreign", "unknown", func(w *world) ids { return ids{"meeting_id": string(w.meeting(w.other.ID))} }},
		{"unknown", "unknown", func(*world) ids { return ids{"meeting_id": freshID()} }},
		{"malformed", "", func(*world) ids { return ids{"meeting_id": "1' OR 1=1--"} }},
	},
	"live meeting": {
		{"own", "", func(w *world) ids { return w.live(w.own.ID) }},
		{"own, idle", "unknown", func(w *world) ids {
			return ids{"meeting_id": string(w.meeting(w.own.ID)), "participant_id": freshID()}
		}},
		{"foreign", "unknown", func(w *world) ids { return w.live(w.other.ID) }},
		{"unknown", "unknown", func(*world) ids { return ids{"meeting_id": freshID(), "participant_id": freshID()} }},
	},
	// Somebody to be sent out of a meeting, by the body.
	"somebody here": {
		{"own", "", func(w *world) ids { return w.live(w.own.ID) }},
		{"elsewhere", "somebody", func(w *world) ids {
			return w.live(w.own.ID).with("participant_id", w.live(w.own.ID)["participant_id"])
		}},
		{"foreign", "somebody", func(w *world) ids {
			return w.live(w.own.ID).with("participant_id", w.live(w.other.ID)["participant_id"])
		}},
		{"absent", "somebody", func(w *world) ids {
			live := w.live(w.own.ID)
			return live.with("participant_id", string(w.invite(w.own.ID, chat.MeetingID(live["meeting_id"]), "group_call_host").id))
		}},
		{"unknown", "somebody", func(w *world) ids { return w.live(w.own.ID).with("participant_id", freshID()) }},
		{"idle meeting", "meeting", func(w *world) ids {
			return ids{"meeting_id": string(w.meeting(w.own.ID)), "participant_id": freshID()}
		}},
		{"foreign meeting", "meeting", func(w *world) ids { return w.live(w.other.ID) }},
		{"unknown meeting", "meeting", func(*world) ids { return ids{"meeting_id": freshID(), "participant_id": freshID()} }},
	},
	"participant": {
		{"own", "", func(w *world) ids { return w.participant(w.own.ID) }},
		{"deleted", "unknown", func(w *world) ids {
			p := w.participant(w.own.ID)
			need[directory.Participant](w)(w.server.Directory.DeleteParticipant(w.ctx, w.own.ID, chat.MeetingID(p["meeting_id"]), chat.ParticipantID(p["participant_id"])))
			return p
		}},
		{"elsewhere", "unknown", func(w *world) ids {
			return w.participant(w.own.ID).with("participant_id", w.participant(w.own.ID)["participant_id"])
		}},
		{"foreign", "unknown", func(w *world) ids {
			return w.participant(w.own.ID).with("participant_id", w.participant(w.other.ID)["participant_id"])
		}},
		{"unknown", "unknown", func(w *world) ids { return w.participant(w.own.ID).with("participant_id", freshID()) }},
		{"of a foreign meeting", "unknown meeting", func(w *world) ids { return w.participant(w.other.ID) }},
		{"of an unknown meeting", "unknown meeting", func(*world) ids { return ids{"meeting_id": freshID(), "participant_id": freshID()} }},
	},
	"preset": {
		{"own", "", func(w *world) ids { return ids{"preset_id": w.somePreset(w.own.ID)} }},
		{"deleted", "unknown", func(w *world) ids {
			id := w.somePreset(w.own.ID)
			need[directory.Preset](w)(w.server.Directory.DeletePreset(w.ctx, w.own.ID, chat.PresetID(id)))
			return ids{"preset_id": id}
		}},
		{"foreign", "unknown", func(w *world) ids { return ids{"preset_id": w.somePreset(w.other.ID)} }},
		{"unknown", "unknown", func(*world) ids { return ids{"preset_id": freshID()} }},
	},
	// The preset that a participant is to have, by its name in the body.
	"preset of a participant": {
		{"own", "", func(w *world) ids { return w.participant(w.own.ID).with("preset", w.presetName(w.own.ID)) }},
		{"foreign", "unknown", func(w *world) ids { return w.participant(w.own.ID).with("preset", w.presetName(w.other.ID)) }},
		{"unknown", "unknown", func(w *world) ids { return w.participant(w.own.ID).with("preset", freshID()) }},
	},
	"session": {
		{"own", "", func(w *world) ids { return w.live(w.own.ID) }},
		{"foreign", "unknown", func(w *world) ids { return w.live(w.other.ID) }},
		{"unknown", "unknown", func(*world) ids { return ids{"session_id": freshID()} }},
	},
	"peer": {
		{"own", "", func(w *world) ids { return w.peerOf(w.own.ID) }},
		{"elsewhere", "unknown", func(w *world) ids {
			return w.peerOf(w.own.ID).with("participant_id", w.peerOf(w.own.ID)["participant_id"])
		}},
		{"foreign", "unknown", func(w *world) ids {
			return w.peerOf(w.own.ID).with("participant_id", w.peerOf(w.other.ID)["participant_id"])
		}},
		{"unknown", "unknown", func(w *world) ids { return w.peerOf(w.own.ID).with("participant_id", freshID()) }},
		{"of a foreign session", "unknown", func(w *world) ids { return w.peerOf(w.other.ID) }},
		{"of an unknown session", "unknown", func(*world) ids { return ids{"session_id": freshID(), "participant_id": freshID()} }},
	},
	"webhook": {
		{"own", "", func(w *world) ids { return ids{"webhook_id": w.webhook(w.own.ID)} }},
		{"deleted", "unknown", func(w *world) ids {
			id := w.webhook(w.own.ID)
			w.call(w.own.ID, "DELETE /webhooks/"+id, "", nil)
			return ids{"webhook_id": id}
		}},
		{"foreign", "unknown", func(w *world) ids { return ids{"webhook_id": w.webhook(w.other.ID)} }},
		{"unknown", "unknown", func(*world) ids { return ids{"webhook_id": freshID()} }},
	},
	"key": {
		{"own", "", func(w *world) ids { return ids{"key_id": w.someKey(w.own.ID)} }},
		{"revoked", "unknown", func(w *world) ids {
			id := w.someKey(w.own.ID)
			need[auth.APIKey](w)(w.server.Keys.Revoke(w.ctx, w.own.ID, id))
			return ids{"key_id": id}
		}},
		{"for all apps", "unknown", func(w *world) ids { return ids{"key_id": w.someKey("")} }},
		{"foreign", "unknown", func(w *world) ids { return ids{"key_id": w.someKey(w.other.ID)} }},
		{"unknown", "unknown", func(*world) ids { return ids{"key_id": freshID()} }},
	},
	"app of a key": {
		{"own", "", func(w *world) ids { return ids{"app": string(w.own.ID)} }},
		{"foreign", "unknown", func(w *world) ids { return ids{"app": string(w.other.ID)} }},
		{"unknown", "unknown", func(*world) ids { return ids{"app": freshID()} }},
	},
	// What a list is asked for.
	"in a list": {
		{"foreign", "unknown", func(w *world) ids { return w.live(w.other.ID) }},
		{"unknown", "unknown", func(*world) ids { return ids{"meeting_id": freshID(), "session_id": freshID()} }},
	},
	"foreign app": {
		{"foreign", "unknown", func(w *world) ids { return ids{"app": string(w.other.ID)} }},
		{"unknown", "unknown", func(*world) ids { return ids{"app": freshID()} }},
	},
	// Whoever may not read what is private, or what was deleted, is told of it
	// what is told of nothing. The tables show who may.
	"message": {
		{"public", "", func(w *world) ids { return w.said(w.own.ID, (*stage).public) }},
		{"edited", "", func(w *world) ids { return w.said(w.own.ID, (*stage).edited) }},
		{"private", "unknown", func(w *world) ids { return w.said(w.own.ID, (*stage).private) }},
		{"deleted", "unknown", func(w *world) ids { return w.said(w.own.ID, (*stage).deleted) }},
		{"private, deleted", "unknown", func(w *world) ids { return w.said(w.own.ID, (*stage).privateDeleted) }},
		{"elsewhere", "unknown", func(w *world) ids {
			return w.said(w.own.ID, (*stage).public).with("meeting_id", string(w.meeting(w.own.ID)))
		}},
		{"foreign", "unknown", func(w *world) ids {
			return w.said(w.own.ID, (*stage).public).with("message_id", w.said(w.other.ID, (*stage).public)["message_id"])
		}},
		{"unknown", "unknown", func(w *world) ids { return w.said(w.own.ID, (*stage).public).with("message_id", freshID()) }},
		{"of a foreign meeting", "unknown", func(w *world) ids { return w.said(w.other.ID, (*stage).public) }},
		{"of an unknown meeting", "unknown", func(*world) ids { return ids{"meeting_id": freshID(), "message_id": freshID()} }},
	},
	// A live meeting, and somebody of it in whose name something is said.
	"speaker": {
		{"own", "", func(w *world) ids { return w.live(w.own.ID) }},
		{"elsewhere", "somebody", func(w *world) ids {
			return w.live(w.own.ID).with("participant_id", w.live(w.own.ID)["participant_id"])
		}},
		{"foreign", "somebody", func(w *world) ids {
			return w.live(w.own.ID).with("participant_id", w.live(w.other.ID)["participant_id"])
		}},
		{"unknown", "somebody", func(w *world) ids { return w.live(w.own.ID).with("participant_id", freshID()) }},
		{"of a foreign meeting", "meeting", func(w *world) ids { return w.live(w.other.ID) }},
		{"of an unknown meeting", "meeting", func(*world) ids { return ids{"meeting_id": freshID(), "participant_id": freshID()} }},
	},
	"nothing": {{"-", "", func(*world) ids { return ids{} }}},
}

// live is a meeting with somebody in it.
func (w *world) live(app chat.AppID) ids {
	w.Helper()
	p := w.invite(app, w.meeting(app), "group_call_host")
	s, peer := w.enter(p)
	return ids{"meeting_id": string(p.meeting), "participant_id": string(p.id), "session_id": string(s), "peer_id": string(peer)}
}

// peerOf is live, where the participant of the path is a peer.
func (w *world) peerOf(app chat.AppID) ids {
	w.Helper()
	live := w.live(app)
	return live.with("participant_id", live["peer_id"])
}

func (w *world) participant(app chat.AppID) ids {
	w.Helper()
	p := w.invite(app, w.meeting(app), "group_call_participant")
	return ids{"meeting_id": string(p.meeting), "participant_id": string(p.id)}
}

func (w *world) presetName(app chat.AppID) string {
	w.Helper()
	name := "some " + freshID()
	if app == w.other.ID {
		name = foreign + " " + name
	}
	w.presetOf(app, name, `{"config":{},"permissions":{}}`)
	return name
}

func (w *world) somePreset(app chat.AppID) string {
	w.Helper()
	name := w.presetName(app)
	return string(need[directory.Preset](w)(w.server.Directory.PresetNamed(w.ctx, app, name)).ID)
}

func (w *world) someKey(app chat.AppID) string {
	w.Helper()
	id, _ := w.key(app, auth.Read)
	return id
}

// webhook makes a webhook. Old ones of the app make room.
func (w *world) webhook(app chat.AppID) string {
	w.Helper()
	name := "own"
	if app == w.other.ID {
		name = foreign
	}
	var all []struct{ ID string }
	w.call(app, "GET /webhooks", "", &all)
	for len(all) >= webhook.MaxPerApp/2 {
		w.call(app, "DELETE /webhooks/"+all[0].ID, "", nil)
		all = all[1:]
	}
	var made struct{ ID string }
	w.call(app, "POST /webhooks", `{"name":"`+name+`","url":"`+w.web.URL+`/hook","events":["recording.statusUpdate"]}`, &made)
	return made.ID
}

// call makes a call of the account form that has to succeed, and reads its data.
func (w *world) call(app chat.AppID, route, body string, data any) {
	w.Helper()
	if w.master == "" {
		_, w.master = w.key("", auth.Admin)
	}
	method, path, _ := strings.Cut(route, " ")
	got := w.ask(call{method: method, path: "/client/v4/accounts/" + server.Account + "/realtime/kit/" + string(app) + path, body: body}, "Bearer "+w.master)
	if got.refused() {
		w.Fatalf("%s: %d %s", route, got.status, got.body)
	}
	envelope := struct{ Data any }{data}
	if data != nil {
		w.must(json.Unmarshal([]byte(got.body), &envelope))
	}
}

// home is the meeting of those who call with participants' tokens.
func (w *world) home() chat.MeetingID {
	w.Helper()
	if w.homely == "" {
		w.homely = w.meeting(w.own.ID)
	}
	return w.homely
}

// close makes a meeting inactive.
func (w *world) close(id chat.MeetingID) {
	w.Helper()
	no := false
	need[directory.Meeting](w)(w.server.Directory.UpdateMeeting(w.ctx, w.own.ID, id, directory.MeetingChange{Active: &no}))
}

// remove deletes a participant.
func (w *world) remove(p person) {
	w.Helper()
	need[directory.Participant](w)(w.server.Directory.DeleteParticipant(w.ctx, p.app, p.meeting, p.id))
}

// give gives a participant another preset.
func (w *world) give(p person, preset string) {
	w.Helper()
	need[directory.Participant](w)(w.server.Directory.UpdateParticipant(w.ctx, p.app, p.meeting, p.id, directory.ParticipantChange{PresetName: &preset}))
}
