package export

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/blob"
	"github.com/parley-chat/parley/internal/chat"
)

// Path is where links to dumps lead: Path<session>.csv?exp&format&sig. Who has
// a link has the file, until the link expires: no other proof is asked for,
// because the readers of the official product bring none.
const Path = "/v1/exports/"

// Link makes a link to the dump of a session of an app, and tells until when
// it is good. Earlier links stay good until then.
func (s *Service) Link(ctx context.Context, app chat.AppID, id chat.SessionID, format Format) (string, time.Time, error) {
	session, err := s.Store.ExportSession(ctx, id)
	if err != nil {
		return "", time.Time{}, err
	}
	if session.App != app {
		return "", time.Time{}, ErrNotFound
	}
	link, expires := s.link(id, format)
	return link, expires, nil
}

func (s *Service) link(id chat.SessionID, format Format) (string, time.Time) {
	expires := s.Now().Add(s.LinksFor).Truncate(time.Second)
	exp := strconv.FormatInt(expires.Unix(), 10)
	query := url.Values{"exp": {exp}, "format": {string(format)}, "sig": {s.sign(id, format, exp)}}
	return s.BaseURL + Path + string(id) + ".csv?" + query.Encode(), expires
}

func (s *Service) sign(id chat.SessionID, format Format, exp string) string {
	mac := hmac.New(sha256.New, s.Key)
	for _, part := range []string{"parley export 1", string(id), string(format), exp} {
		fmt.Fprintf(mac, "%d:%s", len(part), part) // lengths, so that parts cannot flow into each other
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// ServeHTTP serves the file that a link leads to, with ranges and revalidation.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	id, format, problem := s.check(r)
	if problem != "" {
		refuse(w, http.StatusForbidden, problem)
		return
	}
	if err := s.serve(w, r, id, format); err != nil {
		s.fail(w, r, id, err)
	}
}

// check reads a link, and tells what is wrong with it.
func (s *Service) check(r *http.Request) (id chat.SessionID, format Format, problem string) {
	const bad = "this link is not valid"
	name, isFile := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, Path), ".csv")
	query := r.URL.Query()
	exp := query.Get("exp")
	format = Format(query.Get("format"))
	parsed, err := uuid.FromString(name)
	if err != nil || !isFile || parsed.String() != name || !format.Known() {
		return "", "", bad
	}
	id = chat.SessionID(name)
	if !hmac.Equal([]byte(query.Get("sig")), []byte(s.sign(id, format, exp))) {
		return "", "", bad
	}
	if until, err := strconv.ParseInt(exp, 10, 64); err != nil || s.Now().Unix() >= until {
		s.Limits.Add("link_expired")
		return "", "", "this link has expired"
	}
	return id, format, ""
}

// slowestReader is how slow a client may read, in bytes a second, beyond
// stall.
const (
	slowestReader = 16 << 10
	stall         = time.Minute
)

func (s *Service) serve(w http.ResponseWriter, r *http.Request, id chat.SessionID, format Format) error {
	d, file, err := s.open(r.Context(), id, format)
	if err != nil {
		return err
	}
	defer file.Close()
	s.counts.Read.Add(1)
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+string(id)+`.csv"`)
	h.Set("ETag", `"`+d.Key+`"`)
	h.Add("Access-Control-Expose-Headers", "Content-Disposition, Content-Length, Content-Range, ETag")
	connection := http.NewResponseController(w)
	_ = connection.SetWriteDeadline(time.Now().Add(stall + time.Duration(file.Size/slowestReader)*time.Second))
	http.ServeContent(w, r, "", d.MadeAt, file)
	_ = connection.SetWriteDeadline(time.Time{}) // the connection may live on
	return nil
}

// open opens the file of a session. It may be replaced and collected between
// finding and opening it; then it is found again.
func (s *Service) open(ctx context.Context, id chat.SessionID, format Format) (Dump, *blob.Object, error) {
	const tries = 3
	for range tries {
		_, d, err := s.Dump(ctx, id, format)
		if err != nil {
			return Dump{}, nil, err
		}
		file, err := s.Blobs.Open(ctx, d.Key)
		if errors.Is(err, blob.ErrNotFound) {
			if err := s.Store.DropDump(ctx, d); err != nil {
				return Dump{}, nil, err
			}
			continue
		}
		return d, file, err
	}
	return Dump{}, nil, errors.New("the file is gone as soon as it is made")
}

func (s *Service) fail(w http.ResponseWriter, r *http.Request, id chat.SessionID, err error) {
	switch {
	case errors.Is(err, ErrNotFound):
		refuse(w, http.StatusNotFound, "there is no such session")
	case r.Context().Err() != nil: // nobody waits for an answer
	default:
		s.Logger.Error("an export could not be served", "session", id, "err", err)
		w.Header().Set("Retry-After", "30")
		refuse(w, http.StatusServiceUnavailable, "the file cannot be made now")
	}
}

// refuse answers with an error in the form of the API.
func refuse(w http.ResponseWriter, status int, message string) {
	type entry struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	body, err := json.Marshal(struct {
		Success  bool    `json:"success"`
		Error    entry   `json:"error"`
		Errors   []entry `json:"errors"`
		Messages []any   `json:"messages"`
		Result   any     `json:"result"`
	}{Error: entry{status, message}, Errors: []entry{{status, message}}, Messages: []any{}})
	if err != nil {
		body = []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
