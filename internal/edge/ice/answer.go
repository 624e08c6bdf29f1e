package ice

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// Answer answers an SDP offer so that the offerer runs its connectivity checks
// against this responder: an ICE-lite agent that accepts every medium offered
// and sends none (RFC 8829, 5.3). A section whose offerer would not send either
// becomes inactive; a rejected one stays rejected.
//
// A later offer of the same transport is answered with the same credentials;
// the answer's version follows the offer's. An offer of more than 64 KiB or 64
// media sections, or a malformed one, gives an error that wraps [ErrOffer];
// credentials minted with another secret give [ErrCredentials]. Safe for
// concurrent use.
func (r *Responder) Answer(offer string, creds Credentials) (answer string, err error) {
	signer := newSigner(r.secret)
	if !signer.minted(creds) {
		return "", ErrCredentials
	}
	parsed, err := parseOffer(offer)
	if err != nil {
		return "", err
	}
	w := answerWriter{
		transport: "a=ice-ufrag:" + creds.Ufrag + "\r\n" +
			"a=ice-pwd:" + creds.Pwd + "\r\n" +
			"a=fingerprint:sha-256 " + r.fingerprint + "\r\n" +
			"a=setup:passive\r\n" +
			"a=rtcp-mux\r\n",
		candidates: r.candidates,
	}
	w.session(parsed, sessionID(signer, creds))
	for _, s := range parsed.sections {
		if parsed.rejected(s) {
			w.refuse(s)
		} else {
			w.accept(s)
		}
	}
	return w.String(), nil
}

// answerWriter writes an answer line by line.
type answerWriter struct {
	strings.Builder
	transport  string // ready lines, the same in every section
	candidates string
}

func (w *answerWriter) session(o *offer, id uint64) {
	w.line("v=0")
	w.line(fmt.Sprintf("o=- %d %d IN IP4 0.0.0.0", id, o.version))
	w.line("s=-")
	w.line("t=0 0")
	w.line("a=ice-lite")
	group := []string{"a=group:BUNDLE"}
	for _, s := range o.sections {
		if o.bundled(s) && !o.rejected(s) {
			group = append(group, s.mid)
		}
	}
	if len(group) > 1 {
		w.line(strings.Join(group, " "))
	}
}

func (w *answerWriter) accept(s section) {
	w.media(s, "9")
	w.WriteString(w.transport)
	if s.sends() {
		w.line("a=recvonly")
	} else {
		w.line("a=inactive")
	}
	for _, line := range s.copied {
		w.line(line)
	}
	w.WriteString(w.candidates)
	w.line("a=end-of-candidates")
}

func (w *answerWriter) refuse(s section) {
	w.media(s, "0")
	w.line("a=inactive")
}

func (w *answerWriter) media(s section, port string) {
	w.line("m=" + s.media + " " + port + " " + s.proto + " " + s.formats)
	w.line("c=IN IP4 0.0.0.0")
	w.line("a=mid:" + s.mid)
}

func (w *answerWriter) line(line string) {
	w.WriteString(line)
	w.WriteString("\r\n")
}

// sessionID names the session of a transport's answers. Being derived it is
// the same in all of them; 62 bits keep it positive for every parser.
func sessionID(s *signer, creds Credentials) uint64 {
	return binary.BigEndian.Uint64(s.derive("session", []byte(creds.Ufrag))) >> 2
}

// fingerprint stands where that of a DTLS certificate belongs. There is none;
// the value must only be well-formed and never change within a transport,
// whichever node answers.
func fingerprint(s *signer) string {
	digest := s.derive("fingerprint", nil)
	pairs := make([]string, len(digest))
	for i, b := range digest {
		pairs[i] = strings.ToUpper(hex.EncodeToString([]byte{b}))
	}
	return strings.Join(pairs, ":")
}
