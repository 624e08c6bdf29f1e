// Package crash tests what the server owes to those who were connected when it
// died. The real binary runs as a child process; people talk, share files,
// edit, delete and pin as fast as they may; then the child is killed, or the
// disk under it loses its power; it is started again on what is left, and all
// that anybody was told must be there.
//
// How it is judged:
//
//   - Told is promised. Whatever any connection was told, sender or listener,
//     has to be found afterwards: messages once, in the order in which every
//     listener heard them, with the latest content told of; deletions and pins
//     too; and the bytes of every file whose message was told.
//   - What was asked for and not told of may have happened or not, but at most
//     once. What was refused has not happened.
//   - What one start has shown never changes by a later crash.
//
// The judge reads what is left through the socket, as clients do; only when
// all rounds are over and the child has stopped in order does it open the
// database, and compare each listener's account, changes included, with the
// journal.
//
// PARLEY_SOAK=1 makes the tests long. PARLEY_SEED repeats what the tests drew;
// what the machine does between two processes cannot be repeated.
package crash_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/parley-chat/parley/test/shipped"
)

// binary is the server under test.
var binary string

func TestMain(m *testing.M) { os.Exit(shipped.Main(m, &binary)) }

// rounds is how often to strike: often in a soak, else so that the run stays
// quick.
func rounds(soak, quick int) int {
	if os.Getenv("PARLEY_SOAK") == "1" {
		return soak
	}
	return quick
}

// seeded is randomness whose seed comes from PARLEY_SEED or is drawn, and is
// printed.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if given, ok := os.LookupEnv("PARLEY_SEED"); ok {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("PARLEY_SEED: %v", err)
		}
	}
	t.Logf("PARLEY_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
