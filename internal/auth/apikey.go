package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/internal/chat"
)

// apiTokenPrefix lets people, and scanners for leaked secrets, see what a
// token is.
const apiTokenPrefix = "parley_"

// Scope is something that an API key lets its holder do.
type Scope string

// The scopes. A key may have several.
const (
	// Admin is to manage everything, and to read what Read does.
	Admin Scope = "admin"
	// Read is to read what is not private.
	Read Scope = "read"
	// PrivateRead is to read private messages, too.
	PrivateRead Scope = "private.read"
	// Compliance is to read what was edited and deleted, and the audit log.
	Compliance Scope = "compliance"
)

// Scopes are all scopes, in the order in which they are shown.
func Scopes() []Scope { return []Scope{Admin, Read, PrivateRead, Compliance} }

// APIKey is an API token as it is known after it was made: all but the token
// itself.
type APIKey struct {
	// ID names the key for people and logs; it is no secret.
	ID string
	// App is the app that the key is for, "" for all apps of the server.
	App    chat.AppID
	Name   string
	Scopes []Scope
	// CreatedAt is in whole milliseconds.
	CreatedAt time.Time
}

// May tells whether the key has a scope. Who may change everything may read it;
// what is private or deleted takes a scope of its own.
func (k APIKey) May(s Scope) bool {
	return slices.Contains(k.Scopes, s) || (s == Read && slices.Contains(k.Scopes, Admin))
}

// Covers tells whether the key is for an app.
func (k APIKey) Covers(app chat.AppID) bool { return k.App == "" || k.App == app }

// NewAPIKey is what may be wished of a new key.
type NewAPIKey struct {
	App    chat.AppID // "" for all apps
	Name   string     // required: for people, at most MaxKeyName bytes
	Scopes []Scope    // required
}

// MaxKeyName bounds the name of a key, in bytes.
const MaxKeyName = 256

// MaxKeys is how many keys there may be of one app, and of all apps together
// that are for all apps.
const MaxKeys = 200

func (w NewAPIKey) check() error {
	switch {
	case w.Name == "":
		return chat.Refuse(chat.Invalid, `"name" is required`)
	case len(w.Name) > MaxKeyName || !utf8.ValidString(w.Name) || strings.IndexByte(w.Name, 0) >= 0:
		return chat.Refuse(chat.Invalid, `"name" must have at most %d bytes of valid UTF-8, without NUL`, MaxKeyName).Beyond("field_length")
	case len(w.Scopes) == 0:
		return chat.Refuse(chat.Invalid, `"scopes" must name at least one scope`)
	}
	for _, s := range w.Scopes {
		if !slices.Contains(Scopes(), s) {
			return chat.Refuse(chat.Invalid, `"scopes" must be some of admin, read, private.read, compliance`)
		}
	}
	return nil
}

// Errors of keys.
var (
	// ErrNoKey says that there is no such key, or not in this app.
	ErrNoKey = errors.New("no such API key")
	// ErrTooManyKeys says that there are MaxKeys already.
	ErrTooManyKeys = errors.New("too many API keys")
)

// APIKeyStore keeps keys by the hashes of their tokens, never the tokens. What
// it stores is durable when it returns.
type APIKeyStore interface {
	// PutAPIKey gives ErrTooManyKeys where there are MaxKeys of the app, and the
	// error of the directory where there is no such app.
	PutAPIKey(ctx context.Context, hash []byte, key APIKey) error
	// APIKeyByHash gives ErrNoKey where no key has this hash.
	APIKeyByHash(ctx context.Context, hash []byte) (APIKey, error)
	// APIKeys lists the keys of an app, or with "" all keys, oldest first.
	APIKeys(ctx context.Context, app chat.AppID) ([]APIKey, error)
	// DropAPIKey deletes a key of an app, or with "" of any; ErrNoKey where
	// there is none.
	DropAPIKey(ctx context.Context, app chat.AppID, id string) (APIKey, error)
}

// APIKeys makes, checks and revokes API keys. It is safe for concurrent use.
type APIKeys struct {
	Store APIKeyStore
	// Now dates new keys, time.Now where it is nil.
	Now func() time.Time
}

// Create makes a key. The token can never be shown again: only its hash is
// kept. What it refuses, it refuses with a *chat.Error of code Invalid.
func (k APIKeys) Create(ctx context.Context, wish NewAPIKey) (key APIKey, token string, err error) {
	if err := wish.check(); err != nil {
		return APIKey{}, "", err
	}
	id, err := uuid.NewV4()
	if err != nil {
		return APIKey{}, "", fmt.Errorf("making an id: %w", err)
	}
	now := time.Now
	if k.Now != nil {
		now = k.Now
	}
	key = APIKey{ID: id.String(), App: wish.App, Name: wish.Name, CreatedAt: now().UTC().Truncate(time.Millisecond)}
	for _, s := range Scopes() {
		if slices.Contains(wish.Scopes, s) {
			key.Scopes = append(key.Scopes, s)
		}
	}
	// Text holds at least 128 bits; two make a token that no one searches for.
	token = apiTokenPrefix + rand.Text() + rand.Text()
	if err := k.Store.PutAPIKey(ctx, hashOf(token), key); err != nil {
		return APIKey{}, "", fmt.Errorf("storing an API key: %w", err)
	}
	return key, token, nil
}

// Check finds the key of a token. An unknown one gives ErrUnauthorized. The key
// is looked up by the hash of the token, so the time this takes says nothing of
// how much of a guess was right.
func (k APIKeys) Check(ctx context.Context, token string) (APIKey, error) {
	if !strings.HasPrefix(token, apiTokenPrefix) || len(token) > MaxToken {
		return APIKey{}, fmt.Errorf("%w: %w", ErrUnauthorized, errors.New("not an API token"))
	}
	key, err := k.Store.APIKeyByHash(ctx, hashOf(token))
	if errors.Is(err, ErrNoKey) {
		return APIKey{}, fmt.Errorf("%w: %w", ErrUnauthorized, errors.New("unknown API token"))
	}
	if err != nil {
		return APIKey{}, fmt.Errorf("looking up an API token: %w", err)
	}
	return key, nil
}

// List lists the keys of an app, or with "" all keys, oldest first.
func (k APIKeys) List(ctx context.Context, app chat.AppID) ([]APIKey, error) {
	keys, err := k.Store.APIKeys(ctx, app)
	if err != nil {
		return nil, fmt.Errorf("listing API keys: %w", err)
	}
	return keys, nil
}

// Revoke deletes a key of an app, or with "" of any. Its token is void at once.
func (k APIKeys) Revoke(ctx context.Context, app chat.AppID, id string) (APIKey, error) {
	key, err := k.Store.DropAPIKey(ctx, app, id)
	if err != nil {
		return APIKey{}, fmt.Errorf("revoking an API key: %w", err)
	}
	return key, nil
}

// hashOf needs no salt and no stretching: what it hashes is random.
func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
