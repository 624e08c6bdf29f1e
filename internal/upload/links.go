package upload

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/content"
)

// The paths of links: putPath/<id>?exp&max&sig and readPath/<id>/<name>?exp&sig.
// The name is for people who look at the link; what a file is called when it
// is read is told by its upload.
const (
	putPath  = "/v1/uploads/"
	readPath = "/v1/files/"
)

// purpose keeps the signatures of different links apart.
type purpose string

const (
	forPut  purpose = "parley upload put 1"
	forRead purpose = "parley upload read 1"
)

// signer makes and checks the links.
type signer struct {
	key  []byte
	base string // without a slash at the end
}

// grant is what a link allows until exp, in unix seconds. max is 0 in links
// for reading.
type grant struct {
	id      chat.UploadID
	meeting chat.MeetingID
	exp     int64
	max     int64
}

func (s signer) sign(p purpose, g grant) string {
	mac := hmac.New(sha256.New, s.key)
	for _, part := range []string{
		string(p), string(g.id), string(g.meeting), strconv.FormatInt(g.exp, 10), strconv.FormatInt(g.max, 10),
	} {
		fmt.Fprintf(mac, "%d:%s", len(part), part) // lengths, so that parts cannot flow into each other
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s signer) putURL(g grant) string {
	return fmt.Sprintf("%s%s%s?exp=%d&max=%d&sig=%s", s.base, putPath, g.id, g.exp, g.max, s.sign(forPut, g))
}

func (s signer) readURL(g grant, name string) string {
	return fmt.Sprintf("%s%s%s/%s?exp=%d&sig=%s",
		s.base, readPath, g.id, percentEncode(content.FileName(name)), g.exp, s.sign(forRead, g))
}

// verify tells whether the query of a link carries the right signature, and
// until when the link is good.
func (s signer) verify(p purpose, id chat.UploadID, meeting chat.MeetingID, query url.Values) (grant, bool) {
	g := grant{id: id, meeting: meeting}
	var ok bool
	if g.exp, ok = number(query, "exp"); !ok {
		return grant{}, false
	}
	if p == forPut {
		if g.max, ok = number(query, "max"); !ok {
			return grant{}, false
		}
	}
	sig := query["sig"]
	return g, len(sig) == 1 && hmac.Equal([]byte(sig[0]), []byte(s.sign(p, g)))
}

// number reads a parameter that must be there once.
func number(query url.Values, name string) (int64, bool) {
	values := query[name]
	if len(values) != 1 {
		return 0, false
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	return n, err == nil && n >= 0
}

// keptFor is how long rooms keep links before they give them out; see historyAge
// in package room.
const keptFor = time.Hour

// readUntil is the end of a link for reading that is made now.
func readUntil(now time.Time) int64 {
	const hour = int64(time.Hour / time.Second)
	return (now.Add(ReadFor+keptFor).Unix() + hour - 1) / hour * hour
}

// Links are the links to files of one meeting. They implement content.Links.
type Links struct {
	signer   signer
	meeting  chat.MeetingID
	external bool
}

var _ content.Links = Links{}

// Upload implements content.Links: it recognises the links for reading that
// were made for this meeting. The host may be any, since a server may have
// several names; so may the expiry, since clients send on what they find in
// their history, and who may refer to the file is decided by other means.
func (l Links) Upload(link string) (chat.UploadID, bool) {
	u, err := url.Parse(link)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return "", false
	}
	segments := strings.Split(u.EscapedPath(), "/")
	if len(segments) < 5 {
		return "", false
	}
	last := segments[len(segments)-4:] // "v1", "files", id, name
	id := last[2]
	if "/"+last[0]+"/"+last[1]+"/" != readPath || last[3] == "" || !validID(id) {
		return "", false
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", false
	}
	if _, ok := l.signer.verify(forRead, chat.UploadID(id), l.meeting, query); !ok {
		return "", false
	}
	return chat.UploadID(id), true
}

// External implements content.Links.
func (l Links) External() bool { return l.external }

// validID tells whether a text may be the id of an upload. The ids that are
// made are UUIDs.
func validID(id string) bool {
	if id == "" || len(id) > 36 {
		return false
	}
	for _, c := range []byte(id) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// percentEncode leaves nothing but the unreserved characters of RFC 3986,
// 2.3: pages put links into attributes and style sheets, and headers have a
// grammar of their own.
func percentEncode(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
