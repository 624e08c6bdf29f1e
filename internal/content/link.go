package content

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/parley-chat/parley/internal/chat"
)

// reference begins the stored form of a link to an uploaded file.
const reference = "upload:"

// maxLinkBytes is the longest link. Those to our own files are below 1,200
// bytes behind their host.
const maxLinkBytes = 4096

// referred reads the stored form of a link.
func referred(stored string) (chat.UploadID, bool) {
	id, ok := strings.CutPrefix(stored, reference)
	return chat.UploadID(id), ok && id != ""
}

// link turns a link as a client sent it into its stored form: a reference to
// an uploaded file or, where that is allowed, a URL in canonical form.
func (p *parser) link(raw string) (string, error) {
	canonical, err := canonicalURL(raw)
	if err != nil {
		return "", err
	}
	if id, ok := p.links.Upload(canonical); ok {
		p.uploads.add(id)
		return reference + string(id), nil
	}
	if !p.links.External() {
		return "", chat.Refuse(chat.Invalid, "the link does not lead to a file that was uploaded to this meeting")
	}
	return canonical, nil
}

// canonicalURL accepts absolute http and https URLs and writes them in one
// form, of which a browser reads the same as we do. The characters on which
// URL parsers disagree (spaces, backslashes, control characters) are refused
// and not repaired.
func canonicalURL(raw string) (string, error) {
	if len(raw) > maxLinkBytes {
		return "", chat.Refuse(chat.Invalid, "a link may have at most %d bytes", maxLinkBytes).Beyond("link_length")
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
		return "", chat.Refuse(chat.Invalid, "a link must not contain spaces, backslashes or control characters")
	}
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Opaque != "" || !validHost(u) {
		return "", chat.Refuse(chat.Invalid, "a link must be a complete http or https URL")
	}
	if u.User != nil {
		return "", chat.Refuse(chat.Invalid, "a link must not contain a user name or password")
	}
	u.Host = strings.ToLower(u.Host)
	if u.Path == "" {
		u.Path = "/"
	}
	u.RawQuery = escapeQuery(u.RawQuery)
	canonical := u.String()
	if len(canonical) > maxLinkBytes {
		return "", chat.Refuse(chat.Invalid, "a link may have at most %d bytes", maxLinkBytes).Beyond("link_length")
	}
	return canonical, nil
}

// validHost demands a host in ASCII, as browsers give it out, and a port that
// exists.
func validHost(u *url.URL) bool {
	const other = ".-:[]_" // for IPv6, ports, and the names that some networks have
	for _, c := range []byte(u.Host) {
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && strings.IndexByte(other, c) < 0 {
			return false
		}
	}
	if u.Hostname() == "" || strings.HasSuffix(u.Host, ":") {
		return false
	}
	if port := u.Port(); port != "" {
		_, err := strconv.ParseUint(port, 10, 16)
		return err == nil
	}
	return true
}

// escapeQuery percent-encodes what does not belong into a query. Package url
// keeps queries as they are, quotes and all.
func escapeQuery(q string) string {
	const plain = "-._~!$&()*+,;=:@/?%"
	var b strings.Builder
	for _, c := range []byte(q) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(plain, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteString(strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
	}
	return b.String()
}
