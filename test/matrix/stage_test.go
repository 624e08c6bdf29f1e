package matrix_test

import (
	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
	"github.com/parley-chat/parley/test/peer"
)

// stage is a meeting in which two talk.
type stage struct {
	*world
	meeting    chat.MeetingID
	aliceIs    person
	alice, bob *peer.Peer
	text       string
}

// newStage has two come into a new meeting.
func (w *world) newStage(app chat.AppID) *stage {
	w.Helper()
	s := &stage{world: w, meeting: w.meeting(app), text: "own"}
	if app == w.other.ID {
		s.text = foreign
	}
	s.aliceIs = w.invite(app, s.meeting, "group_call_host")
	s.alice = w.join(s.aliceIs)
	s.bob = w.join(w.invite(app, s.meeting, "group_call_host"))
	return s
}

// said gives a message that somebody of an app has just said. The stage of each
// app is made once.
func (w *world) said(app chat.AppID, say func(*stage) string) ids {
	w.Helper()
	s := w.stages[app]
	if s == nil {
		s = w.newStage(app)
		w.stages[app] = s
	}
	return ids{"meeting_id": string(s.meeting), "message_id": say(s)}
}

func (s *stage) public() string {
	s.Helper()
	return need[*rtkwire.ChatMessage](s)(s.alice.SendText(s.ctx, s.text)).GetChatId()
}

func (s *stage) private() string {
	s.Helper()
	return need[*rtkwire.ChatMessage](s)(s.alice.Whisper(s.ctx, s.text, s.bob.ID)).GetChatId()
}

func (s *stage) edited() string {
	s.Helper()
	id := s.public()
	s.must(s.alice.Request(s.ctx, protocol.EditMessage, &rtkwire.EditMessage{
		ChatId: id, PayloadType: proto.Int32(0), Payload: proto.String(s.text + ", edited"),
	}, nil))
	return id
}

func (s *stage) deleted() string {
	s.Helper()
	return s.delete(s.public())
}

func (s *stage) privateDeleted() string {
	s.Helper()
	return s.delete(s.private())
}

func (s *stage) delete(id string) string {
	s.Helper()
	s.must(s.alice.Request(s.ctx, protocol.DeleteMessage, &rtkwire.DeleteMessage{ChatId: id}, nil))
	return id
}
