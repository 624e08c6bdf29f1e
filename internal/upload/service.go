package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/blob"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/route"
	"github.com/parley-chat/parley/internal/tally"
)

// Paths are the patterns under which a Service is to be mounted.
var Paths = []string{requestPath, requestPathV1, putPath, readPath}

const (
	requestPath   = "/v2/meetings/chat-upload"
	requestPathV1 = "/v1/meetings/genPreSignedUploadUrl"
)

// minKeyBytes is the shortest key for signatures.
const minKeyBytes = 16

// Tokens tells who holds a participant's token.
type Tokens interface {
	Verify(token string) (auth.Identity, error)
}

// Directory tells what is known of a participant at this moment. It gives
// directory.ErrNotFound where the meeting has no such participant.
type Directory interface {
	Access(ctx context.Context, meeting chat.MeetingID, participant chat.ParticipantID) (directory.Access, error)
}

// Config is what a Service needs. Store, Blobs, Tokens, Directory, Key and
// BaseURL must be given.
type Config struct {
	Store     Store
	Blobs     blob.Store
	Tokens    Tokens
	Directory Directory
	// Key signs the links. It has at least 16 bytes; with another key all
	// links made before are void.
	Key []byte
	// BaseURL is the http or https URL that links begin with: an origin, and a
	// path where the server is mounted below one.
	BaseURL string
	// MaxSize is the longest file, in bytes. Default DefaultMaxSize.
	MaxSize int64
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Logger gets what someone must act on; never names or content of files.
	// Default: nothing is logged.
	Logger *slog.Logger
	// Limits counts which limits were reached. Default: nobody counts.
	Limits *tally.Words
}

// Service answers everything about uploads by HTTP. Make it with New, mount it
// under Paths, and run Run beside. It is safe for concurrent use.
//
// It sets no CORS headers: whoever mounts it does, and answers OPTIONS.
type Service struct {
	store     Store
	blobs     blob.Store
	tokens    Tokens
	directory Directory
	signer    signer
	maxSize   int64
	now       func() time.Time
	log       *slog.Logger
	limits    *limits
	reached   *tally.Words
	counts    Counters
	full      atomic.Bool // there was no room for the last file
	mux       *route.Mux
	// stall is how long a connection may make no progress.
	stall time.Duration
}

// New makes a service, or tells what is wrong with the configuration.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Blobs == nil || c.Tokens == nil || c.Directory == nil {
		return nil, errors.New("uploads need a store, a place for blobs, tokens and a directory")
	}
	if len(c.Key) < minKeyBytes {
		return nil, fmt.Errorf("the key for links must have at least %d bytes", minKeyBytes)
	}
	base, err := url.Parse(c.BaseURL)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.User != nil ||
		base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("the base URL for links must be an http or https URL without user, query and fragment, not %q", c.BaseURL)
	}
	if c.MaxSize < 0 {
		return nil, errors.New("the longest file cannot be negative")
	}
	if c.MaxSize == 0 {
		c.MaxSize = DefaultMaxSize
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		store: c.Store, blobs: c.Blobs, tokens: c.Tokens, directory: c.Directory,
		signer:  signer{key: c.Key, base: strings.TrimRight(c.BaseURL, "/")},
		maxSize: c.MaxSize, now: c.Now, log: c.Logger, limits: newLimits(), reached: c.Limits, mux: new(route.Mux), stall: stallTime,
	}
	s.route()
	return s, nil
}

func (s *Service) route() {
	s.mux.HandleFunc("POST "+requestPath, s.ask)
	s.mux.HandleFunc("POST "+requestPathV1, s.askV1)
	s.mux.HandleFunc("PUT "+putPath+"{id}", s.put)
	s.mux.HandleFunc("GET "+readPath+"{id}/{name}", s.read)
	s.mux.HandleFunc(requestPath, s.wrongMethod("POST"))
	s.mux.HandleFunc(requestPathV1, s.wrongMethod("POST"))
	s.mux.HandleFunc(putPath+"{id}", s.wrongMethod("PUT"))
	s.mux.HandleFunc(readPath+"{id}/{name}", s.wrongMethod("GET, HEAD"))
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, unknown) })
}

// ServeHTTP implements http.Handler. Every refusal is a JSON object in the
// form of the REST API.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Patterns gives the routes, in the form of http.ServeMux.
func (s *Service) Patterns() []string { return s.mux.Patterns() }

// Links gives the links to files of one meeting. external says whether links
// to other places are accepted besides.
func (s *Service) Links(meeting chat.MeetingID, external bool) Links {
	return Links{signer: s.signer, meeting: meeting, external: external}
}

// Link makes a URL by which a file of this meeting can be read for at least
// ReadFor. name is shown in it; "" will do.
func (s *Service) Link(meeting chat.MeetingID, id chat.UploadID, name string) string {
	return s.signer.readURL(grant{id: id, meeting: meeting, exp: readUntil(s.now())}, name)
}

// refusal is an error as it goes out.
type refusal struct {
	status     int
	message    string
	retryAfter time.Duration
}

// unknown answers for an id that does not exist, or no longer, and for a link
// that was not made here: which of them it is, is nobody's business.
var unknown = refusal{status: http.StatusNotFound, message: "this link leads to no file"}

// refuse writes an error in the form that both generations of clients read.
func refuse(w http.ResponseWriter, e refusal) {
	type entry struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	body := struct {
		Success  bool      `json:"success"`
		Error    entry     `json:"error"`
		Errors   []entry   `json:"errors"`
		Messages []string  `json:"messages"`
		Result   *struct{} `json:"result"`
	}{Error: entry{e.status, e.message}, Errors: []entry{{e.status, e.message}}, Messages: []string{}}
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.retryAfter.Seconds()))))
	}
	answer(w, e.status, body)
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic("an answer cannot be encoded: " + err.Error())
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(text) // whoever asked has gone, if it fails
}

func (s *Service) wrongMethod(allowed string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", allowed)
		refuse(w, refusal{status: http.StatusMethodNotAllowed, message: "this is not the method to use here"})
	}
}

// failed answers for what went wrong in the store or below it.
func (s *Service) failed(w http.ResponseWriter, r *http.Request, doing string, err error) {
	switch {
	case errors.Is(err, ErrNotFound):
		refuse(w, unknown)
		return
	case errors.Is(err, ErrAttached):
		refuse(w, refusal{status: http.StatusConflict, message: "a message refers to this file already; ask for a new upload"})
		return
	case errors.Is(err, ErrBusy):
		s.reached.Add("write_queue")
		refuse(w, refusal{status: http.StatusServiceUnavailable, message: "the server is busy", retryAfter: time.Second})
		return
	case errors.Is(err, ErrCollected):
		s.reached.Add("slow_upload")
		refuse(w, refusal{status: http.StatusRequestTimeout, message: "the file took too long to arrive"})
		return
	}
	switch {
	case errors.Is(err, blob.ErrFull):
		if !s.full.Swap(true) {
			s.log.Error("there is no room for files; none is taken until there is", "err", err)
		}
	case errors.Is(err, ErrFull): // of which the store has told
	case r.Context().Err() == nil: // else the client has gone, and that is why
		s.log.Error("an upload failed", "doing", doing, "err", err)
	}
	if errors.Is(err, ErrFull) || errors.Is(err, blob.ErrFull) {
		refuse(w, refusal{status: http.StatusInsufficientStorage, message: "the server has no room for files", retryAfter: 30 * time.Second})
		return
	}
	refuse(w, refusal{status: http.StatusServiceUnavailable, message: "the server cannot handle files now", retryAfter: 5 * time.Second})
}
