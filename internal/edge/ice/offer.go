package ice

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// What an offer may hold. Those of the official SDK stay below 12 KiB.
const (
	maxOffer    = 64 << 10 // bytes
	maxSections = 64
	maxLine     = 4 << 10 // bytes
	maxMid      = 64      // bytes
)

// ErrOffer is wrapped by every error about an offer that is malformed or too
// large. Such errors tell line and reason, but do not quote the offer: it
// holds addresses of the client.
var ErrOffer = errors.New("ice: bad offer")

// offer is what an answer needs to know of an offer; all else was skipped.
// Its strings are printable ASCII, without line ends.
type offer struct {
	version  uint64 // of the description, grows with each new offer
	bundle   []string
	sections []section
}

type section struct {
	media, proto, formats string // of the m= line
	port                  uint16
	bundleOnly            bool
	mid                   string
	direction             string
	copied                []string // whole lines that the answer repeats
}

// rejected tells a section that is out of use. Port 0 says so, except where it
// merely says that the section has no address outside the bundle (RFC 9143, 6).
func (o *offer) rejected(s section) bool {
	return s.port == 0 && !(s.bundleOnly && o.bundled(s))
}

func (o *offer) bundled(s section) bool { return slices.Contains(o.bundle, s.mid) }

// sends tells whether the offerer may send, which is the default (RFC 8866,
// 6.7).
func (s section) sends() bool { return s.direction != "recvonly" && s.direction != "inactive" }

// parseOffer reads an SDP offer (RFC 8866, 5). It is strict about what the
// answer is built from and skips the rest.
func parseOffer(sdp string) (*offer, error) {
	if len(sdp) > maxOffer {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrOffer, len(sdp), maxOffer)
	}
	var p offerParser
	number := 0
	for line := range strings.Lines(sdp) {
		number++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if err := p.line(number, line); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrOffer, number, err)
		}
	}
	if err := p.complete(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOffer, err)
	}
	return &p.offer, nil
}

type offerParser struct {
	offer     offer
	hasOrigin bool
	hasBundle bool
	direction string // of the session, until a section says otherwise
}

func (p *offerParser) line(number int, line string) error {
	switch {
	case len(line) > maxLine:
		return fmt.Errorf("%d bytes, at most %d are allowed", len(line), maxLine)
	case len(line) < 2 || line[0] < 'a' || line[0] > 'z' || line[1] != '=':
		return errors.New("not of the form <type>=<value>")
	case number == 1 && line != "v=0":
		return errors.New("does not begin with v=0")
	}
	value := line[2:]
	switch line[0] {
	case 'o':
		return p.origin(value)
	case 'm':
		return p.media(value)
	case 'a':
		if len(p.offer.sections) == 0 {
			return p.sessionAttribute(value)
		}
		return p.mediaAttribute(line, &p.offer.sections[len(p.offer.sections)-1])
	}
	return nil
}

// origin reads "user id version IN IP4 address".
func (p *offerParser) origin(value string) error {
	fields := strings.Split(value, " ")
	if p.hasOrigin || len(p.offer.sections) > 0 || len(fields) != 6 {
		return errors.New("malformed or misplaced origin")
	}
	version, err := strconv.ParseUint(fields[2], 10, 64)
	if err != nil {
		return errors.New("the version of the session is not a number")
	}
	p.hasOrigin, p.offer.version = true, version
	return nil
}

// media reads "kind port protocol format ..." and opens a section.
func (p *offerParser) media(value string) error {
	if len(p.offer.sections) == maxSections {
		return fmt.Errorf("more than %d media sections", maxSections)
	}
	fields := strings.SplitN(value, " ", 4)
	if len(fields) != 4 || !isToken(fields[0]) || !allTokens(fields[2], "/") || !allTokens(fields[3], " ") {
		return errors.New("malformed media section")
	}
	port, err := strconv.ParseUint(fields[1], 10, 16)
	if err != nil {
		return errors.New("the port of a media section is not a number")
	}
	p.offer.sections = append(p.offer.sections, section{
		media: fields[0], port: uint16(port), proto: fields[2], formats: fields[3],
		direction: p.direction,
	})
	return nil
}

func (p *offerParser) sessionAttribute(value string) error {
	if isDirection(value) {
		p.direction = value
		return nil
	}
	fields := strings.Split(value, " ")
	if fields[0] != "group:BUNDLE" {
		return nil
	}
	if p.hasBundle {
		return errors.New("a second bundle")
	}
	p.hasBundle, p.offer.bundle = true, fields[1:]
	return nil
}

func (p *offerParser) mediaAttribute(line string, s *section) error {
	name, value, _ := strings.Cut(line[2:], ":")
	switch {
	case name == "mid":
		return p.mid(value, s)
	case name == "bundle-only":
		s.bundleOnly = true
	case isDirection(name):
		s.direction = name
	case isCopied(name) && isPrintable(line):
		s.copied = append(s.copied, line)
	}
	return nil
}

func (p *offerParser) mid(mid string, s *section) error {
	if s.mid != "" || len(mid) > maxMid || !isToken(mid) {
		return errors.New("malformed or repeated mid")
	}
	taken := slices.ContainsFunc(p.offer.sections, func(other section) bool { return other.mid == mid })
	if taken {
		return errors.New("two media sections have the same mid")
	}
	s.mid = mid
	return nil
}

func (p *offerParser) complete() error {
	switch {
	case !p.hasOrigin:
		return errors.New("no origin")
	case len(p.offer.sections) == 0:
		return errors.New("no media section")
	case slices.ContainsFunc(p.offer.sections, func(s section) bool { return s.mid == "" }):
		return errors.New("a media section without mid")
	}
	return nil
}

// isCopied names the attributes that an answer repeats. What identifies a
// stream (ssrc, msid, rid, simulcast) is not among them: it would be ours.
func isCopied(attribute string) bool {
	switch attribute {
	case "rtpmap", "fmtp", "rtcp-fb", "extmap":
		return true
	}
	return false
}

func isDirection(attribute string) bool {
	switch attribute {
	case "sendrecv", "sendonly", "recvonly", "inactive":
		return true
	}
	return false
}

// isPrintable refuses whatever some parser might take for a line's end, and
// all else that has no place in the copied attributes.
func isPrintable(line string) bool {
	for i := range len(line) {
		if line[i] < ' ' || line[i] > '~' {
			return false
		}
	}
	return true
}

func allTokens(s, separator string) bool {
	for token := range strings.SplitSeq(s, separator) {
		if !isToken(token) {
			return false
		}
	}
	return true
}

// isToken tells a token of RFC 8866, 9.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte(`"(),/:;<=>?@[\]`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
