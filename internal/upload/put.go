package upload

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/parley-chat/parley/internal/blob"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
)

// put takes the bytes of an upload. It may be repeated until a message refers
// to the upload, since clients repeat it when the network fails; the last one
// to finish counts. The answer is given when the bytes are on disk and the
// upload points to them.
func (s *Service) put(w http.ResponseWriter, r *http.Request) {
	u, ok := s.writable(w, r)
	if !ok {
		return
	}
	if r.ContentLength > u.MaxSize {
		s.tooLarge(w, u)
		return
	}
	if !s.limits.enter(u.Owner) {
		s.reached.Add("concurrent_uploads")
		refuse(w, refusal{status: http.StatusTooManyRequests, message: "too many files of yours are being sent at the same time", retryAfter: 5 * time.Second})
		return
	}
	defer s.limits.leave(u.Owner)

	key := newKey(u.ID)
	if err := s.store.BeginPut(r.Context(), u.ID, key, s.now().Add(looseFor)); err != nil {
		s.failed(w, r, "beginning an upload", err)
		return
	}
	received, ok := s.receive(w, r, u, key)
	if !ok {
		s.discard(r.Context(), key)
		return
	}
	s.complete(w, r, u, received)
}

// writable finds the upload that a link for writing leads to, or answers why
// it may not be put.
func (s *Service) writable(w http.ResponseWriter, r *http.Request) (Upload, bool) {
	u, g, ok := s.find(w, r, forPut)
	if !ok {
		return Upload{}, false
	}
	if s.now().Unix() >= g.exp {
		s.reached.Add("link_expired")
		refuse(w, refusal{status: http.StatusForbidden, message: "this link has expired; ask for a new upload"})
		return Upload{}, false
	}
	if u.Attached {
		s.failed(w, r, "beginning an upload", ErrAttached)
		return Upload{}, false
	}
	// The link is a right that was given; what it rests on may be gone.
	access, err := s.directory.Access(r.Context(), u.Meeting, u.Owner)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		refuse(w, unknown)
		return Upload{}, false
	case err != nil:
		s.failed(w, r, "looking up a participant", err)
		return Upload{}, false
	case !s.maySend(w, r, access):
		return Upload{}, false
	}
	u.MaxSize = min(u.MaxSize, g.max)
	return u, true
}

// find looks up the upload of a link and checks the link's signature. An
// upload that does not exist and a signature that is wrong look the same.
func (s *Service) find(w http.ResponseWriter, r *http.Request, p purpose) (Upload, grant, bool) {
	id := r.PathValue("id")
	if !validID(id) {
		refuse(w, unknown)
		return Upload{}, grant{}, false
	}
	u, err := s.store.FindUpload(r.Context(), chat.UploadID(id))
	if err != nil {
		s.failed(w, r, "looking up an upload", err)
		return Upload{}, grant{}, false
	}
	g, ok := s.signer.verify(p, u.ID, u.Meeting, r.URL.Query())
	if !ok {
		refuse(w, unknown)
		return Upload{}, grant{}, false
	}
	return u, g, true
}

// newKey makes the key for one PUT.
func newKey(id chat.UploadID) string {
	var tail [8]byte
	_, _ = rand.Read(tail[:]) // never fails
	return string(id) + "-" + hex.EncodeToString(tail[:])
}

// OfKey tells to which upload the bytes under a key belong.
func OfKey(key string) chat.UploadID {
	return chat.UploadID(key[:max(0, strings.LastIndexByte(key, '-'))])
}

// receive stores the body under the key and looks at what it is, or answers
// why it could not.
func (s *Service) receive(w http.ResponseWriter, r *http.Request, u Upload, key string) (Bytes, bool) {
	ctx, cancel := context.WithTimeout(r.Context(), PutTimeout)
	defer cancel()
	body := &body{source: r.Body, connection: http.NewResponseController(w), stall: s.stall}
	info, err := s.blobs.Put(ctx, key, body, u.MaxSize)
	switch {
	case errors.Is(err, blob.ErrTooLarge):
		s.tooLarge(w, u)
		return Bytes{}, false
	case body.err != nil || ctx.Err() != nil:
		if errors.Is(body.err, os.ErrDeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			s.reached.Add("slow_upload")
		}
		s.log.Debug("an upload was cut off", "upload", u.ID, "err", err)
		refuse(w, badRequest("the file was cut off"))
		return Bytes{}, false
	case err != nil:
		s.failed(w, r, "storing a file", err)
		return Bytes{}, false
	}
	found, err := s.typeOf(ctx, key)
	if err != nil {
		s.failed(w, r, "finding the type of a file", err)
		return Bytes{}, false
	}
	return Bytes{Key: key, Size: info.Size, SHA256: info.SHA256, MediaType: found}, true
}

func (s *Service) typeOf(ctx context.Context, key string) (string, error) {
	file, err := s.blobs.Open(ctx, key)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return mediaType(file)
}

// complete makes the upload point to what was received. It does so even if
// the client has gone, since only an outcome that is known tells which bytes
// to keep.
func (s *Service) complete(w http.ResponseWriter, r *http.Request, u Upload, b Bytes) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute)
	defer cancel()
	replaced, err := s.store.CompletePut(ctx, u.ID, b, s.now())
	switch {
	case errors.Is(err, ErrAttached) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrCollected):
		s.discard(ctx, b.Key)
		s.failed(w, r, "completing an upload", err)
		return
	case err != nil:
		// It may have happened. If not, a sweep finds the bytes.
		s.failed(w, r, "completing an upload", err)
		return
	}
	if replaced != "" {
		s.discard(ctx, replaced)
	}
	s.counts.Stored.Add(1)
	s.counts.StoredBytes.Add(uint64(b.Size))
	if s.full.Swap(false) {
		s.log.Info("there is room for files again")
	}
	w.Header().Set("ETag", etag(b))
	w.WriteHeader(http.StatusOK)
}

func (s *Service) tooLarge(w http.ResponseWriter, u Upload) {
	s.reached.Add("file_size")
	refuse(w, refusal{
		status: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("a file may have at most %d bytes", u.MaxSize),
	})
}

// body reads the body of a request and gives up on a client that sends
// nothing for a while.
type body struct {
	source     io.Reader
	connection *http.ResponseController
	stall      time.Duration
	err        error // of the source, other than its end
}

func (b *body) Read(p []byte) (int, error) {
	// A server that knows no deadlines has its own way to end connections.
	_ = b.connection.SetReadDeadline(time.Now().Add(b.stall))
	n, err := b.source.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}
