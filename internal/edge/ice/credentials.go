package ice

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"hash"
)

const (
	// minSecret is the least number of bytes a secret may have.
	minSecret = 16

	nonceChars = 12 // 9 random bytes
	tagChars   = 8  // 6 bytes of MAC
	ufragChars = nonceChars + tagChars
	pwdChars   = 32 // 24 bytes of MAC; RFC 8839, 5.4 asks for at least 22 characters

	nonceBytes = nonceChars / 4 * 3
	tagBytes   = tagChars / 4 * 3
	pwdBytes   = pwdChars / 4 * 3
)

// ErrCredentials is returned for credentials that no responder with this
// secret has minted.
var ErrCredentials = errors.New("ice: credentials were not minted with this secret")

// Credentials are what one transport of a peer uses to address the responder
// (RFC 8839, 5.4). They are made by [Responder.NewCredentials], hold for as
// long as the secret does, and stay the same when an offer of the same
// transport is answered again. The password must not reach a log.
type Credentials struct {
	Ufrag string // 20 ice-chars
	Pwd   string // 32 ice-chars
}

// NewCredentials mints credentials for one transport. Nothing is remembered.
// Safe for concurrent use.
func (r *Responder) NewCredentials() Credentials {
	var nonce [nonceBytes]byte
	rand.Read(nonce[:]) // never fails: crypto/rand ends the process instead
	return newSigner(r.secret).mint(nonce)
}

// signer derives everything that follows from the secret. It reuses its
// buffers, so that a check costs no allocation: one goroutine at a time, and
// results are good until the next call.
type signer struct {
	mac   hash.Hash
	sum   [sha256.Size]byte
	input [64]byte
	text  [pwdChars]byte
}

func newSigner(secret []byte) *signer {
	return &signer{mac: hmac.New(sha256.New, secret)}
}

// derive is HMAC-SHA256 of the data under the secret. The label keeps one use
// of the secret from yielding the values of another.
func (s *signer) derive(label string, data []byte) []byte {
	input := append(s.input[:0], label...)
	input = append(input, ':')
	input = append(input, data...)
	s.mac.Reset()
	s.mac.Write(input)
	return s.mac.Sum(s.sum[:0])
}

// encode writes b in ice-chars; len(b) is a multiple of three, so there is no
// padding.
func (s *signer) encode(b []byte) []byte {
	return base64.RawStdEncoding.AppendEncode(s.text[:0], b)
}

func (s *signer) mint(nonce [nonceBytes]byte) Credentials {
	ufrag := base64.RawStdEncoding.AppendEncode(nil, nonce[:])
	ufrag = append(ufrag, s.tag(ufrag)...)
	return Credentials{Ufrag: string(ufrag), Pwd: string(s.password(ufrag))}
}

func (s *signer) tag(nonce []byte) []byte {
	return s.encode(s.derive("ufrag", nonce)[:tagBytes])
}

func (s *signer) password(ufrag []byte) []byte {
	return s.encode(s.derive("pwd", ufrag)[:pwdBytes])
}

// knows tells whether ufrag was minted with this secret.
func (s *signer) knows(ufrag []byte) bool {
	if len(ufrag) != ufragChars {
		return false
	}
	return subtle.ConstantTimeCompare(s.tag(ufrag[:nonceChars]), ufrag[nonceChars:]) == 1
}

// minted tells whether both halves of creds are ours.
func (s *signer) minted(creds Credentials) bool {
	ufrag := []byte(creds.Ufrag)
	return s.knows(ufrag) && subtle.ConstantTimeCompare(s.password(ufrag), []byte(creds.Pwd)) == 1
}
