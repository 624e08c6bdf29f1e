// Package blob says what Parley needs of a place that keeps large objects:
// attachments, thumbnails, exports. The engines live in the packages below it,
// and blobtest holds the suite each of them must pass.
//
// A store knows keys and bytes only. Who may read an object, what it is called
// and when it is garbage is known to those who use the store.
package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"
)

// The errors of a store that its users tell apart with errors.Is. All others
// mean that the engine failed.
var (
	// ErrNotFound: there is no object under this key.
	ErrNotFound = errors.New("blob: no such object")
	// ErrTooLarge: the content is longer than the limit given to Put.
	ErrTooLarge = errors.New("blob: object is larger than the limit")
	// ErrFull: the store has no room left, or this process's quota is used up.
	ErrFull = errors.New("blob: store is full")
	// ErrKey: the key is not one that CheckKey accepts.
	ErrKey = errors.New("blob: invalid key")
)

// Store keeps objects under keys. All methods may be called concurrently, also
// for one key, and none of them waits for a slow reader of another.
type Store interface {
	// Put stores all that r yields, to its EOF, under key, in place of what may
	// be there. When it returns without an error the object is durable.
	//
	// An object appears whole or not at all. If Put fails, because of r, the
	// limit, the context or the engine, nothing new can be read and an earlier
	// object stays as it was; only where the engine cannot tell whether its
	// last step took effect may the object be there nevertheless, whole. Of
	// several concurrent Puts for a key one wins.
	//
	// limit is the greatest length in bytes, inclusive; one byte more is
	// ErrTooLarge. At most limit+1 bytes are read, and r is not closed. An error
	// of r is wrapped, so that errors.Is finds it; so is the context's. The
	// context is looked at between reads: a reader that may block must end with
	// the context by itself.
	Put(ctx context.Context, key string, r io.Reader, limit int64) (Info, error)

	// Open returns the object under key as it is now, or ErrNotFound. The
	// caller closes it and keeps ctx alive until then. If the object is
	// replaced or deleted meanwhile, reading goes on with the old bytes or
	// fails; it never yields a mixture.
	Open(ctx context.Context, key string) (*Object, error)

	// Delete makes sure that there is no object under key, durably; that there
	// was none is no error.
	Delete(ctx context.Context, key string) error
}

// Info describes what a Put has stored.
type Info struct {
	// Size is the length in bytes.
	Size int64
	// SHA256 is the digest of the content.
	SHA256 [sha256.Size]byte
}

// Object is an open object. Like a file it has one position and is not for
// concurrent use.
type Object struct {
	io.ReadSeekCloser

	// Size is the length in bytes.
	Size int64
	// ModTime is when the object was stored, by the engine's clock and as
	// precise as the engine has it (seconds with some).
	ModTime time.Time
}

// maxKeyLen is what every engine can keep as one name.
const maxKeyLen = 64

// CheckKey returns an error that is ErrKey unless key is 1 to 64 of the
// characters a-z, 0-9 and "-". Every method of a store checks its key so; a key
// therefore never says anything about folders.
func CheckKey(key string) error {
	if len(key) == 0 || len(key) > maxKeyLen {
		return fmt.Errorf("%w: %d characters long, not 1 to %d", ErrKey, len(key), maxKeyLen)
	}
	for i := range len(key) {
		if !keyChar(key[i]) {
			return fmt.Errorf("%w: %q at %d is not one of a-z, 0-9 and \"-\"", ErrKey, key[i], i)
		}
	}
	return nil
}

func keyChar(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-'
}
