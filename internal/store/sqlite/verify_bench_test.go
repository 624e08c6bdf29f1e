package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// crowded makes a meeting of as many entries as PARLEY_ROWS says, 50,000 by
// default: texts of 100 bytes, every tenth private, every twentieth edited.
func crowded(b *testing.B) *talk {
	b.Helper()
	n := 50_000
	if given := os.Getenv("PARLEY_ROWS"); given != "" {
		var err error
		if n, err = strconv.Atoi(given); err != nil {
			b.Fatal(err)
		}
	}
	tk := newTalk(b, b.TempDir())
	text := strings.Repeat("0123456789", 10)
	var under sync.WaitGroup
	slots := make(chan struct{}, 2000)
	submit := func(c chat.Command) {
		slots <- struct{}{}
		under.Add(1)
		tk.journal.Submit(c, "", func(_ journal.Entry, err error) {
			if err != nil {
				b.Error(err)
			}
			<-slots
			under.Done()
		})
	}
	for i := range n {
		send := tk.say(tk.a, text)
		if i%10 == 0 {
			send = tk.say(tk.a, text, tk.b)
		}
		submit(send)
		if i%20 == 0 {
			submit(chat.EditMessage{Actor: tk.a, Message: send.ID, Content: chat.Content{Payload: text}})
		}
	}
	under.Wait()
	return tk
}

func BenchmarkVerify(b *testing.B) {
	tk := crowded(b)
	var peak uint64
	var rows int64
	for b.Loop() {
		f, err := sqlite.OpenFile(b.Context(), sqlite.DatabasePath(tk.dir))
		tk.must(err)
		census, err := f.Verify(b.Context(), sqlite.Checks{
			Found: func(d sqlite.Finding) { b.Error(d) },
			Progress: func(sqlite.Census) {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			},
		})
		tk.must(err)
		rows += census.Rows()
		tk.must(f.Close())
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(peak)/(1<<20), "MiB-heap")
}

// BenchmarkCopy copies a database beside somebody who writes all the time, and
// reports how long appends take then and otherwise, and how long the log gets.
func BenchmarkCopy(b *testing.B) {
	tk := crowded(b)
	to := filepath.Join(b.TempDir(), "copy")
	quiet := tk.appendUntil(timer(2 * time.Second))
	var busy []time.Duration
	var bytes int64
	for b.Loop() {
		f, err := sqlite.OpenFile(b.Context(), sqlite.DatabasePath(tk.dir))
		tk.must(err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if _, err := f.Copy(context.WithoutCancel(b.Context()), to, nil); err != nil {
				b.Error(err)
			}
		}()
		busy = append(busy, tk.appendUntil(done)...)
		info, err := os.Stat(to)
		tk.must(err)
		bytes += info.Size()
		tk.must(f.Close())
		tk.must(os.Remove(to))
	}
	log, err := os.Stat(sqlite.DatabasePath(tk.dir) + "-wal")
	tk.must(err)
	b.ReportMetric(float64(bytes)/(1<<20)/b.Elapsed().Seconds(), "MiB/s")
	b.ReportMetric(percentile(quiet, 99), "p99-ms-otherwise")
	b.ReportMetric(percentile(busy, 99), "p99-ms-meanwhile")
	b.ReportMetric(float64(log.Size())/(1<<20), "MiB-log")
}

func timer(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	time.AfterFunc(d, func() { close(c) })
	return c
}

// appendUntil appends one message after the other until done is closed, and
// gives how long each took.
func (tk *talk) appendUntil(done <-chan struct{}) []time.Duration {
	tk.tb.Helper()
	var took []time.Duration
	for {
		select {
		case <-done:
			return took
		default:
		}
		begun := time.Now()
		tk.append(tk.say(tk.a, fmt.Sprintf("at %v", begun)))
		took = append(took, time.Since(begun))
	}
}

// percentile is one of durations, in milliseconds.
func percentile(all []time.Duration, p int) float64 {
	slices.Sort(all)
	return float64(all[(len(all)-1)*p/100].Microseconds()) / 1000
}
