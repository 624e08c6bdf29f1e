package sqlite_test

import (
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/kv"
	"github.com/parley-chat/parley/internal/kv/kvtest"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

func TestStores(t *testing.T) {
	kvtest.Run(t, func(t testing.TB, now func() time.Time) func() kvtest.Engine {
		dir := t.TempDir()
		return func() kvtest.Engine {
			db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			return db
		}
	})
}

// What a store holds and is not what was written is left out, counted, and may
// be written over.
func TestDamagedItemOfAStoreIsNotServed(t *testing.T) {
	for name, change := range map[string]string{
		"Value": `value = CAST('2' AS BLOB)`, "Deleted": `value = NULL`, "Key": `key = 'l'`, "Store": `store = 'another'`,
		"Peer": `peer = 'another'`, "Time": `at = at + 1`, "Rival": `rival = 1`,
	} {
		t.Run(name, func(t *testing.T) {
			tk := newTalk(t, t.TempDir())
			put := func(key string) {
				done := make(chan error, 1)
				err := tk.PutKeys(kv.Write{
					Meeting: tk.a.Meeting, Participant: tk.a.Participant, Peer: tk.a.Peer, Store: "st",
					Pairs: []kv.Pair{{Key: key, Value: []byte("1")}},
				}, func(_ kv.Change, err error) { done <- err })
				if err != nil {
					t.Fatal(err)
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			put("k")
			put("good")
			rawExec(t, tk.dir, `UPDATE store_items SET `+change+` WHERE key = 'k'`)
			s, err := tk.Keys(t.Context(), tk.a.Meeting)
			if err != nil || len(s.Items) != 1 || s.Items[0].Key != "good" || tk.Damaged() == 0 {
				t.Errorf("the store holds %+v, %v; %d rows count as damaged", s.Items, err, tk.Damaged())
			}
			put("k")
			if s, err = tk.Keys(t.Context(), tk.a.Meeting); err != nil || len(s.Items) < 2 {
				t.Errorf("written over, it holds %+v, %v", s.Items, err)
			}
		})
	}
}
