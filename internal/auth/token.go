package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parley-chat/parley/internal/chat"
)

const (
	// TokenLifetime is how long a participant token is good for, unless the
	// participant is deleted before.
	TokenLifetime = 100 * 24 * time.Hour
	// KeySize is the length of the key that signs participant tokens, in bytes.
	KeySize = 32
	// MaxToken bounds what is looked at as a token, in bytes.
	MaxToken = 2048
	// mintAttempts bounds the search for a payload that official clients read.
	mintAttempts = 64
)

// Tokens makes and checks participant tokens: JWTs signed with HMAC-SHA-256
// and nothing else, whatever a token's header asks for (RFC 8725, 3.1). It is
// safe for concurrent use as long as nobody changes its fields.
type Tokens struct {
	// Key signs, and must have KeySize bytes.
	Key []byte
	// Now is the clock, time.Now where it is nil.
	Now func() time.Time
}

// claims is the payload. The nonce comes first, so that its length moves the
// rest: see Mint.
type claims struct {
	Nonce       string           `json:"jti"`
	App         string           `json:"orgId"`
	Meeting     string           `json:"meetingId"`
	Participant string           `json:"participantId"`
	Preset      string           `json:"presetId"`
	IssuedAt    *jwt.NumericDate `json:"iat"`
	ExpiresAt   *jwt.NumericDate `json:"exp"`
}

// Mint makes a token for a participant, valid for TokenLifetime. No two are
// equal, and making one leaves the earlier ones valid.
//
// Official clients decode the payload as plain base64, which has no '-' and no
// '_'. Ids and numbers never encode to those; should anything else get into
// the payload, the token is made again with a nonce of another length until
// it is free of them, or Mint gives up with an error.
func (t Tokens) Mint(who Identity, preset chat.PresetID) (string, error) {
	if len(t.Key) != KeySize {
		return "", fmt.Errorf("the key for participant tokens has %d bytes, want %d", len(t.Key), KeySize)
	}
	issued := t.now().Truncate(time.Second)
	c := &claims{
		App: string(who.App), Meeting: string(who.Meeting), Participant: string(who.Participant), Preset: string(preset),
		IssuedAt: jwt.NewNumericDate(issued), ExpiresAt: jwt.NewNumericDate(issued.Add(TokenLifetime)),
	}
	if err := c.complete(); err != nil {
		return "", fmt.Errorf("making a participant token: %w", err)
	}
	for attempt := range mintAttempts {
		c.Nonce = rand.Text()[:16+attempt%3]
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(t.Key)
		if err != nil {
			return "", fmt.Errorf("signing a participant token: %w", err)
		}
		if plainBase64(token) {
			return token, nil
		}
	}
	return "", errors.New("making a participant token: official clients could not decode it with these ids")
}

// plainBase64 tells whether the payload segment reads the same in base64 and
// in base64url.
func plainBase64(token string) bool {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	return !strings.ContainsAny(payload, "-_")
}

// Verify tells who holds the token. Every token that this key has not signed,
// that has expired or that lacks a claim gives ErrUnauthorized.
func (t Tokens) Verify(token string) (Identity, error) {
	c, err := t.parse(token)
	if err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrUnauthorized, err)
	}
	return Identity{
		App: chat.AppID(c.App), Meeting: chat.MeetingID(c.Meeting), Participant: chat.ParticipantID(c.Participant),
	}, nil
}

func (t Tokens) parse(token string) (*claims, error) {
	if len(t.Key) != KeySize {
		return nil, fmt.Errorf("the key has %d bytes", len(t.Key))
	}
	if len(token) > MaxToken {
		return nil, errors.New("the token is too long")
	}
	if strings.ContainsAny(token, "\r\n") { // which the decoder would skip
		return nil, errors.New("the token has line breaks")
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(t.now),
		jwt.WithStrictDecoding(),
	)
	c := new(claims)
	if _, err := parser.ParseWithClaims(token, c, func(*jwt.Token) (any, error) { return t.Key, nil }); err != nil {
		return nil, reason(err)
	}
	return c, c.complete()
}

// reason names what is wrong with a token without quoting it, which the errors
// of decoders do.
func reason(err error) error {
	for _, known := range []error{jwt.ErrTokenMalformed, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenExpired, jwt.ErrTokenInvalidClaims} {
		if errors.Is(err, known) {
			return known
		}
	}
	return jwt.ErrTokenUnverifiable
}

func (t Tokens) now() time.Time {
	if t.Now == nil {
		return time.Now()
	}
	return t.Now()
}

// complete refuses a payload that lacks a claim.
func (c *claims) complete() error {
	switch {
	case c.App == "":
		return errors.New("claim orgId is missing")
	case c.Meeting == "":
		return errors.New("claim meetingId is missing")
	case c.Participant == "":
		return errors.New("claim participantId is missing")
	case c.Preset == "":
		return errors.New("claim presetId is missing")
	case c.IssuedAt == nil || c.ExpiresAt == nil:
		return errors.New("claim iat or exp is missing")
	}
	return nil
}

// The rest makes claims a jwt.Claims: only the times are for the parser.

// GetExpirationTime implements jwt.Claims.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.ExpiresAt, nil }

// GetIssuedAt implements jwt.Claims.
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.IssuedAt, nil }

// GetNotBefore implements jwt.Claims.
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return nil, nil }

// GetIssuer implements jwt.Claims.
func (c *claims) GetIssuer() (string, error) { return "", nil }

// GetSubject implements jwt.Claims.
func (c *claims) GetSubject() (string, error) { return "", nil }

// GetAudience implements jwt.Claims.
func (c *claims) GetAudience() (jwt.ClaimStrings, error) { return nil, nil }
