package sqlite_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/directory"
	"github.com/parley-chat/parley/internal/journal"
)

// BenchmarkAppend measures durable public messages of some 100 bytes, of one
// meeting and of many, with so many on their way at any time. Its result is
// that of the disk below os.TempDir, which must not be one in memory.
func BenchmarkAppend(b *testing.B) {
	for _, meetings := range []int{1, 64} {
		for _, inFlight := range []int{1, 64, 1024} {
			b.Run(fmt.Sprintf("meetings=%d/inflight=%d", meetings, inFlight), func(b *testing.B) {
				benchmarkAppend(b, meetings, inFlight)
			})
		}
	}
}

func benchmarkAppend(b *testing.B, meetings, inFlight int) {
	tk := newTalk(b, b.TempDir())
	people := make([]chat.Actor, meetings)
	for i := range people {
		people[i] = tk.add(tk.newMeeting(directory.NewMeeting{}), "Ann")
		tk.enter(people[i])
	}
	text := "a message of a usual length, neither short nor long, as people write them when they chat with each other"
	slots := make(chan struct{}, inFlight)
	done := func(_ journal.Entry, err error) {
		if err != nil {
			b.Error(err)
		}
		<-slots
	}
	b.ReportAllocs()
	start := time.Now()
	for i := 0; b.Loop(); i++ {
		slots <- struct{}{}
		tk.journal.Submit(tk.say(people[i%meetings], text), "", done)
	}
	for range inFlight { // all are stored
		slots <- struct{}{}
	}
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "rows/s")
}
