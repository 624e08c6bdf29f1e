package upload

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/content"
	"github.com/parley-chat/parley/internal/directory"
)

// maxRequestBytes is the longest body that asks for an upload.
const maxRequestBytes = 16 << 10

// ask answers the newer form of the request for an upload.
func (s *Service) ask(w http.ResponseWriter, r *http.Request) {
	if u, ok := s.create(w, r); ok {
		type data struct {
			Get string `json:"get_location"`
			Put string `json:"put_location"`
		}
		answer(w, http.StatusOK, struct {
			Success bool `json:"success"`
			Data    data `json:"data"`
		}{true, data{s.Link(u.Meeting, u.ID, u.Name), s.putLink(u)}})
	}
}

// askV1 answers the older form, which differs in the names of the answer.
func (s *Service) askV1(w http.ResponseWriter, r *http.Request) {
	if u, ok := s.create(w, r); ok {
		type data struct {
			Get string `json:"getLocation"`
			Put string `json:"putLocation"`
		}
		answer(w, http.StatusOK, struct {
			Success bool `json:"success"`
			Data    data `json:"data"`
		}{true, data{s.Link(u.Meeting, u.ID, u.Name), s.putLink(u)}})
	}
}

func (s *Service) putLink(u Upload) string {
	return s.signer.putURL(grant{id: u.ID, meeting: u.Meeting, exp: u.ExpiresAt.Unix(), max: u.MaxSize})
}

// create makes the upload that a request asks for, or answers why not.
func (s *Service) create(w http.ResponseWriter, r *http.Request) (Upload, bool) {
	access, ok := s.admit(w, r)
	if !ok {
		return Upload{}, false
	}
	who := access.Participant
	if wait := s.limits.ask(who.ID, s.now()); wait > 0 {
		s.reached.Add("upload_rate")
		refuse(w, refusal{status: http.StatusTooManyRequests, message: "too many uploads in a short time", retryAfter: wait})
		return Upload{}, false
	}
	wish, ok := s.readWish(w, r)
	if !ok {
		return Upload{}, false
	}
	if wish.meeting != access.Meeting.ID {
		refuse(w, refusal{status: http.StatusForbidden, message: "this token is for another meeting"})
		return Upload{}, false
	}
	id, err := uuid.NewV7()
	if err != nil {
		s.failed(w, r, "making an id", err)
		return Upload{}, false
	}
	now := s.now()
	u := Upload{
		ID: chat.UploadID(id.String()), Meeting: wish.meeting, Owner: who.ID, Name: content.FileName(wish.name),
		MaxSize: s.maxSize, CreatedAt: now, ExpiresAt: time.Unix(now.Add(wish.life).Unix()+1, 0),
	}
	switch err := s.store.CreateUpload(r.Context(), u, MaxUnused); {
	case errors.Is(err, ErrTooMany):
		s.reached.Add("unused_uploads")
		refuse(w, refusal{
			status: http.StatusTooManyRequests, retryAfter: time.Minute,
			message: "too many files of yours wait to be sent in a message",
		})
		return Upload{}, false
	case errors.Is(err, ErrNotFound):
		refuse(w, refusal{status: http.StatusNotFound, message: "there is no such participant"})
		return Upload{}, false
	case err != nil:
		s.failed(w, r, "storing an upload", err)
		return Upload{}, false
	}
	s.counts.Asked.Add(1)
	return u, true
}

// admit tells who asks: a participant who still exists, of a meeting that is
// open, with the right to send files to somebody.
func (s *Service) admit(w http.ResponseWriter, r *http.Request) (directory.Access, bool) {
	none := directory.Access{}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		token = ""
	}
	who, err := s.tokens.Verify(strings.TrimSpace(token))
	if err != nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, refusal{status: http.StatusUnauthorized, message: "a valid participant token is needed"})
		return none, false
	}
	access, err := s.directory.Access(r.Context(), who.Meeting, who.Participant)
	switch {
	case errors.Is(err, directory.ErrNotFound) || err == nil && access.App.ID != who.App:
		refuse(w, refusal{status: http.StatusNotFound, message: "there is no such participant"})
		return none, false
	case err != nil:
		s.failed(w, r, "looking up a participant", err)
		return none, false
	}
	return access, s.maySend(w, r, access)
}

// maySend answers for those who may send files to nobody at this moment.
func (s *Service) maySend(w http.ResponseWriter, r *http.Request, access directory.Access) bool {
	if !access.Meeting.Active {
		refuse(w, refusal{status: http.StatusForbidden, message: "the meeting is closed"})
		return false
	}
	may, err := access.Preset.Permissions()
	if err != nil {
		s.failed(w, r, "reading a preset", err)
		return false
	}
	if !(may.Public.Send && may.Public.Files) && !(may.Private.Send && may.Private.Files) {
		refuse(w, refusal{status: http.StatusForbidden, message: "your preset does not allow sending files"})
		return false
	}
	return true
}

// wish is what a request for an upload asks for.
type wish struct {
	meeting chat.MeetingID
	name    string
	life    time.Duration
}

// readWish reads the body of a request, or answers what is wrong with it.
func (s *Service) readWish(w http.ResponseWriter, r *http.Request) (wish, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		s.reached.Add("body_size")
		refuse(w, refusal{status: http.StatusRequestEntityTooLarge, message: "the request is too long"})
		return wish{}, false
	}
	if err != nil {
		refuse(w, badRequest("the request was cut off"))
		return wish{}, false
	}
	var in struct {
		Room   *string  `json:"roomUUID"`
		Name   *string  `json:"filename"`
		Expiry *float64 `json:"expiry"`
	}
	if !utf8.Valid(body) || json.Unmarshal(body, &in) != nil {
		refuse(w, badRequest(`the body must be a JSON object with "roomUUID" and "filename"`))
		return wish{}, false
	}
	if in.Room == nil || *in.Room == "" {
		refuse(w, badRequest(`"roomUUID" is required`))
		return wish{}, false
	}
	out := wish{meeting: chat.MeetingID(*in.Room), life: PutFor}
	if in.Name != nil {
		out.name = *in.Name
	}
	if in.Expiry != nil {
		if *in.Expiry <= 0 {
			refuse(w, badRequest(`"expiry" must be a positive number of seconds`))
			return wish{}, false
		}
		if *in.Expiry < PutFor.Seconds() {
			out.life = time.Duration(*in.Expiry * float64(time.Second))
		}
	}
	return out, true
}

func badRequest(message string) refusal {
	return refusal{status: http.StatusBadRequest, message: "BAD_REQUEST: " + message}
}
