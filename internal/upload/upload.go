// Package upload is the life of a file that a participant sends: it is asked
// for, put, referred to by messages, and read; or it is never used and goes
// away.
//
//	asked for --PUT--> complete --a message refers to it--> attached
//	    |      (again)    |
//	    +-----------------+--nobody does--> collected
//
// Whoever has a link may use it, so each link is signed: the one for writing
// is bound to the upload, its greatest size and an expiry, the one for reading
// to the upload, its meeting and an expiry. Nothing a client says about a file
// is believed: how long it is and of what type is found in its bytes.
//
// The package does not decide who may refer to a file: chat.Decide does, in
// the transaction that stores the message. It does not know where bytes lie
// either: that is package blob's.
package upload

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// Limits of uploading.
const (
	// DefaultMaxSize is the longest file, in bytes.
	DefaultMaxSize = 100 << 20
	// PutFor is how long the link for writing is good. A client may ask for
	// less.
	PutFor = time.Hour
	// AttachFor is how long after that an upload may still be attached to a
	// message; then it is collected.
	AttachFor = time.Hour
	// ReadFor is how long a link for reading is good at least when it is given
	// out; its end is rounded up to the hour, so that links made within an hour
	// are the same.
	ReadFor = 7 * 24 * time.Hour
	// PerMinute is how many uploads a participant may ask for in a minute, all
	// at once or spread: as many images and files as official clients send.
	PerMinute = 40
	// MaxUnused is how many uploads of a participant may exist that no message
	// refers to. It bounds the space a participant takes without saying a word.
	MaxUnused = 50
	// MaxPuts is how many bodies a participant may send at the same time.
	MaxPuts = 10
	// PutTimeout is how long one body may take.
	PutTimeout = 30 * time.Minute
	// stallTime is how long a connection may make no progress.
	stallTime = time.Minute
)

// looseFor is how long the bytes of a PUT may lie around without an upload
// that points to them. It is longer than any PUT takes.
const looseFor = 2 * PutTimeout

// Upload is a file that a participant sends.
type Upload struct {
	ID      chat.UploadID
	Meeting chat.MeetingID
	// Owner is who asked for it; only they may refer to it.
	Owner chat.ParticipantID
	// Name is what the file is called, cleaned by content.FileName.
	Name string
	// MaxSize is the greatest length in bytes.
	MaxSize int64
	// ExpiresAt is until when it may be put.
	ExpiresAt time.Time
	CreatedAt time.Time
	// Bytes is nil until they have arrived.
	Bytes *Bytes
	// Attached says that a message refers to the upload: it may not be put
	// again, and it stays.
	Attached bool
}

// Bytes describes what was put, as found by the server.
type Bytes struct {
	// Key is where the bytes lie in the blob store. Each PUT has its own, so
	// that a late one never touches what a message refers to.
	Key    string
	Size   int64
	SHA256 [sha256.Size]byte
	// MediaType is found in the bytes. It is one of image/gif, image/jpeg,
	// image/png and image/webp only if the file has a plausible header of that
	// format.
	MediaType string
}

// Errors of a Store.
var (
	// ErrNotFound says that there is no such upload, meeting or participant.
	ErrNotFound = errors.New("no such upload")
	// ErrAttached says that a message refers to the upload, so that its bytes
	// must stay what they are.
	ErrAttached = errors.New("the upload is attached to a message")
	// ErrTooMany says that the participant has too many unused uploads.
	ErrTooMany = errors.New("too many unused uploads")
	// ErrCollected says that the bytes came so late that their place was given
	// up.
	ErrCollected = errors.New("the bytes were collected as unused")
	// ErrFull says that the store has no room.
	ErrFull = errors.New("the store has no room")
	// ErrBusy says that too many writes wait; try again shortly.
	ErrBusy = errors.New("the store is busy")
)

// Store keeps what is known about uploads. Each method is one transaction, and
// durable when it returns without an error; after another error than those
// named, or when ctx ends, it may have happened or not.
//
// Besides uploads it keeps a list of loose blobs: keys under which there may
// be bytes that no upload points to. A key is on it before the first byte is
// written, and leaves it in the transaction that makes an upload point to it,
// or after the bytes are gone. So a crash at any point leaves nothing behind
// that is not collected.
type Store interface {
	// CreateUpload stores a new upload. It gives ErrNotFound where the meeting
	// has no such participant, and ErrTooMany where the participant has
	// maxUnused uploads that are not attached.
	CreateUpload(ctx context.Context, u Upload, maxUnused int) error
	// FindUpload gives ErrNotFound where there is none.
	FindUpload(ctx context.Context, id chat.UploadID) (Upload, error)
	// BeginPut puts a key on the list of loose blobs, due at some time. It
	// gives ErrNotFound or ErrAttached where the upload takes no bytes.
	BeginPut(ctx context.Context, id chat.UploadID, key string, due time.Time) error
	// CompletePut makes the upload point to bytes whose key BeginPut was told,
	// and takes the key from the list. It gives the key it pointed to before,
	// "" for none, which is loose from now on and due at once. It gives
	// ErrNotFound, ErrAttached or ErrCollected where it changed nothing.
	CompletePut(ctx context.Context, id chat.UploadID, b Bytes, now time.Time) (replaced string, err error)
	// DropUploads deletes at most limit uploads that are not attached and
	// expired before the time given; their blobs are loose and due at now. It
	// tells how many it deleted.
	DropUploads(ctx context.Context, expired, now time.Time, limit int) (int, error)
	// LooseBlobs lists at most limit loose blobs that are due at now.
	LooseBlobs(ctx context.Context, now time.Time, limit int) ([]string, error)
	// ForgetBlobs takes keys from the list of loose blobs.
	ForgetBlobs(ctx context.Context, keys []string) error
}
