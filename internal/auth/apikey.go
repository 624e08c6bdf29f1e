package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// apiTokenPrefix lets people, and scanners for leaked secrets, see what a
// token is.
const apiTokenPrefix = "parley_"

// APIKeyStore keeps the hashes of API tokens, never the tokens.
type APIKeyStore interface {
	PutAPIToken(ctx context.Context, hash []byte, app chat.AppID, name string, at time.Time) error
	// APITokenApp gives false where no token has this hash.
	APITokenApp(ctx context.Context, hash []byte) (chat.AppID, bool, error)
}

// APIKeys makes and checks API tokens. A token is for all of one app. It is
// safe for concurrent use.
type APIKeys struct {
	Store APIKeyStore
	// Now dates new tokens, time.Now where it is nil.
	Now func() time.Time
}

// Create makes a token for an app. The name is for people. The token can never
// be shown again: only its hash is kept.
func (k APIKeys) Create(ctx context.Context, app chat.AppID, name string) (string, error) {
	now := time.Now
	if k.Now != nil {
		now = k.Now
	}
	// Text holds at least 128 bits; two make a token that no one searches for.
	token := apiTokenPrefix + rand.Text() + rand.Text()
	if err := k.Store.PutAPIToken(ctx, hashOf(token), app, name, now()); err != nil {
		return "", fmt.Errorf("storing an API token: %w", err)
	}
	return token, nil
}

// Check tells which app a token is for. An unknown one gives ErrUnauthorized.
// The token is looked up by its hash, so the time this takes says nothing of
// how much of a guess was right.
func (k APIKeys) Check(ctx context.Context, token string) (chat.AppID, error) {
	if !strings.HasPrefix(token, apiTokenPrefix) || len(token) > MaxToken {
		return "", fmt.Errorf("%w: %w", ErrUnauthorized, errors.New("not an API token"))
	}
	app, found, err := k.Store.APITokenApp(ctx, hashOf(token))
	if err != nil {
		return "", fmt.Errorf("looking up an API token: %w", err)
	}
	if !found {
		return "", fmt.Errorf("%w: %w", ErrUnauthorized, errors.New("unknown API token"))
	}
	return app, nil
}

// hashOf needs no salt and no stretching: what it hashes is random.
func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
