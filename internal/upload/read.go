package upload

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/parley-chat/parley/internal/blob"
)

// passiveTypes are the media types, besides images, by which a file may be
// called: browsers do not run them, and players and viewers need to know them.
// All others are served as plain bytes. None is shown inside a page's window.
var passiveTypes = map[string]bool{
	"application/ogg": true, "application/pdf": true, "application/zip": true, "application/x-gzip": true,
	"audio/aiff": true, "audio/basic": true, "audio/midi": true, "audio/mpeg": true, "audio/wave": true,
	"video/avi": true, "video/mp4": true, "video/webm": true,
}

// slowestReader is how slow a client may read, in bytes a second, beyond the
// time a connection may stall.
const slowestReader = 16 << 10

// read sends a file to whoever has a link to it.
func (s *Service) read(w http.ResponseWriter, r *http.Request) {
	u, g, ok := s.find(w, r, forRead)
	switch {
	case !ok:
	case s.now().Unix() >= g.exp:
		s.reached.Add("link_expired")
		refuse(w, refusal{status: http.StatusForbidden, message: "this link has expired"})
	case u.Bytes == nil:
		refuse(w, refusal{status: http.StatusNotFound, message: "this file has not been uploaded yet"})
	default:
		s.serve(w, r, u)
	}
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request, u Upload) {
	u, file, err := s.open(r.Context(), u)
	if err != nil {
		s.failed(w, r, "opening a file", err)
		return
	}
	defer file.Close()
	if file.Size != u.Bytes.Size {
		s.log.Error("a file is damaged on disk and is not served", "upload", u.ID, "key", u.Bytes.Key)
		refuse(w, refusal{status: http.StatusInternalServerError, message: "this file is damaged"})
		return
	}
	s.counts.Read.Add(1)
	describe(w.Header(), u)
	connection := http.NewResponseController(w)
	_ = connection.SetWriteDeadline(time.Now().Add(s.stall + time.Duration(file.Size/slowestReader)*time.Second))
	http.ServeContent(w, r, "", time.Time{}, file)
	_ = connection.SetWriteDeadline(time.Time{}) // the connection may live on
}

// open opens the bytes of an upload. They may be replaced and deleted between
// the look into the store and this; then it looks again.
func (s *Service) open(ctx context.Context, u Upload) (Upload, *blob.Object, error) {
	const tries = 5
	for range tries {
		file, err := s.blobs.Open(ctx, u.Bytes.Key)
		if !errors.Is(err, blob.ErrNotFound) {
			return u, file, err
		}
		again, err := s.store.FindUpload(ctx, u.ID)
		if err != nil {
			return u, nil, err
		}
		if again.Bytes == nil || again.Bytes.Key == u.Bytes.Key {
			break
		}
		u = again
	}
	return u, nil, fmt.Errorf("the bytes of upload %s are gone", u.ID)
}

// describe sets the headers of a file. A file never runs anything, whatever is
// in it and however it is opened: no type that browsers run, no guessing, and
// a sandbox without scripts around it.
func describe(h http.Header, u Upload) {
	contentType, inline := servedAs(u.Bytes.MediaType)
	h.Set("Content-Type", contentType)
	h.Set("Content-Disposition", disposition(inline, u.Name))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // pages of apps show it, and pages may demand this
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("ETag", etag(*u.Bytes))
	if u.Attached {
		h.Set("Cache-Control", "private, max-age=3600")
	} else {
		h.Set("Cache-Control", "private, no-cache") // it may still be put again
	}
}

// servedAs tells by which type a file is served, and whether it may be shown
// in a window.
func servedAs(found string) (contentType string, inline bool) {
	base, _, err := mime.ParseMediaType(found)
	switch {
	case err != nil:
		return unknownType, false
	case imageHeaders[base] != nil:
		return base, true
	case passiveTypes[base]:
		return base, false
	}
	return unknownType, false
}

// disposition writes Content-Disposition after RFC 6266: the name in ASCII for
// those who read nothing else, and in UTF-8 where that differs.
func disposition(inline bool, name string) string {
	value := "attachment"
	if inline {
		value = "inline"
	}
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%;`, r) {
			return '_'
		}
		return r
	}, name)
	value += `; filename="` + plain + `"`
	if plain != name {
		value += "; filename*=UTF-8''" + percentEncode(name)
	}
	return value
}

// etag names the bytes; it is a strong one (RFC 9110, 8.8.1).
func etag(b Bytes) string { return `"` + base64.RawURLEncoding.EncodeToString(b.SHA256[:]) + `"` }
