package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/parley-chat/parley/internal/bench"
	"github.com/parley-chat/parley/internal/store/sqlite"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// The figures: the file of a session beside the same rows from sqlite3 -csv,
// what it costs in memory of the server, and how much later others hear that
// their messages are stored.
const (
	exportTimes  = 3
	exportMemory = 32 << 20
	exportDelay  = 2

	exportLine = 125e6 // bytes a second: 1 Gbit/s
)

// export asks for the file of a long session while others talk.
type export struct {
	out                        io.Writer
	messages, speakers, rounds int

	dir      string
	meetings []bench.Meeting // the first has the messages
	token    string
	session  string
	app      string
}

func (e *export) run(ctx context.Context) (err error) {
	if e.dir, err = os.MkdirTemp("", "parley-export"); err != nil {
		return err
	}
	defer os.RemoveAll(e.dir)
	data := filepath.Join(e.dir, "data")
	if e.meetings, err = bench.SetUp(ctx, data, 1+e.speakers, 1); err != nil {
		return err
	}
	began := time.Now()
	if err := bench.Fill(ctx, data, e.meetings[:1], e.messages); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(e.out, "%d messages stored in %.1f s\n", e.messages, time.Since(began).Seconds())
	if err := e.end(ctx, data); err != nil {
		return err
	}
	var ours, theirs, idle, busy []time.Duration
	var ratios, grown []float64
	for range e.rounds {
		r, err := e.round(ctx, data)
		if err != nil {
			return err
		}
		ours, theirs, idle, busy = append(ours, r.ours), append(theirs, r.theirs), append(idle, r.idle), append(busy, r.busy)
		ratios, grown = append(ratios, r.ours.Seconds()/r.theirs.Seconds()), append(grown, float64(r.grown)/(1<<20))
		_, _ = fmt.Fprintf(e.out, "file in %.2f s (%.2f CPU s), sqlite3 -csv in %.2f s (%.2f CPU s); memory +%.1f MiB; acknowledged p99 %.2f ms idle, %.2f ms meanwhile; log of the database at most %.1f MiB\n",
			r.ours.Seconds(), r.cpu.Seconds(), r.theirs.Seconds(), r.theirCPU.Seconds(), float64(r.grown)/(1<<20), bench.Milliseconds(r.idle), bench.Milliseconds(r.busy), float64(r.wal)/(1<<20))
	}
	_, _ = fmt.Fprintf(e.out, "medians of %d: %.2f s against %.2f s (x %.2f), memory +%.1f MiB, p99 %.2f ms against %.2f ms\n", e.rounds,
		bench.Median(ours).Seconds(), bench.Median(theirs).Seconds(), bench.Median(ratios), bench.Median(grown), bench.Milliseconds(bench.Median(busy)), bench.Milliseconds(bench.Median(idle)))
	if bench.Median(ratios) > exportTimes || bench.Median(grown) > exportMemory>>20 || bench.Median(busy) > exportDelay*bench.Median(idle) {
		return fmt.Errorf("%w: at most %d times sqlite3, %d MiB, and %d times the idle p99", errMissed, exportTimes, exportMemory>>20, exportDelay)
	}
	return nil
}

// end ends the session by hand, so that nothing makes its file meanwhile.
func (e *export) end(ctx context.Context, data string) error {
	out, err := e.sqlite(ctx, data, `SELECT id || ' ' || app FROM sessions LIMIT 1;
		UPDATE meetings SET session = NULL; UPDATE sessions SET ended_at = started_at + 3600000, ends_at = NULL, live = 0`)
	if err != nil {
		return err
	}
	var ok bool
	if e.session, e.app, ok = strings.Cut(strings.TrimSpace(string(out)), " "); !ok {
		return errors.New("there is no session")
	}
	e.token, err = addKey(ctx, data, e.app)
	return err
}

func (e *export) sqlite(ctx context.Context, data, text string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "sqlite3", sqlite.DatabasePath(data), ".timeout 10000", text)
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

type exported struct {
	ours, theirs, idle, busy time.Duration
	cpu, theirCPU            time.Duration
	grown, wal               int
}

func (e *export) round(ctx context.Context, data string) (r exported, err error) {
	if _, err := e.sqlite(ctx, data, `DELETE FROM dumps`); err != nil {
		return r, err
	}
	p, err := bench.Start(ctx, "serve", data)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.End(syscall.SIGTERM)) }()
	crowd, heard, err := e.crowd(ctx, p.Address)
	for _, c := range crowd {
		defer c.Cut()
	}
	if err != nil {
		return r, err
	}
	link, err := e.link(ctx, p.Address)
	if err != nil {
		return r, err
	}
	if r.idle, err = e.talk(ctx, crowd, heard, func() error { return bench.Pause(ctx, 3*time.Second) }); err != nil {
		return r, err
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, "sh", "-c", `exec sqlite3 -readonly -csv "$1" "$2" > "$3"`, "sh", sqlite.DatabasePath(data),
		`SELECT m.ID, m.author, m.session, g.id, m.display_name, m.pinned, m.edited_at > 0, m.kind, m.payload, m.at FROM messages m JOIN meetings g ON g.no = m.meeting
		WHERE m.meeting = (SELECT meeting FROM sessions WHERE id = '`+e.session+`') AND m.session = '`+e.session+`' AND m.pub > 0 AND m.deleted_at = 0 ORDER BY m.seq`,
		filepath.Join(e.dir, "theirs.csv"))
	if err := cmd.Run(); err != nil {
		return r, fmt.Errorf("running sqlite3: %w", err)
	}
	r.theirs = time.Since(began)
	syscall.Sync() // what sqlite3 leaves to be written is not to delay others later
	r.theirCPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	before, err := p.Holds()
	if err != nil {
		return r, err
	}
	cpu, err := p.CPU()
	if err != nil {
		return r, err
	}
	watch, stop := context.WithCancel(ctx)
	var most, wal int
	var watching sync.WaitGroup
	watching.Go(func() {
		for bench.Pause(watch, 10*time.Millisecond) == nil {
			if now, err := p.Holds(); err == nil {
				most = max(most, now)
			}
			if info, err := os.Stat(sqlite.DatabasePath(data) + "-wal"); err == nil {
				wal = max(wal, int(info.Size()))
			}
		}
	})
	r.busy, err = e.talk(ctx, crowd, heard, func() error {
		began := time.Now()
		return e.fetch(ctx, link, func() { r.ours = time.Since(began) })
	})
	stop()
	watching.Wait()
	after, cpuErr := p.CPU()
	r.cpu, r.grown, r.wal = after-cpu, most-before, wal
	return r, errors.Join(err, cpuErr)
}

// crowd joins one speaker in each meeting but the first.
func (e *export) crowd(ctx context.Context, address string) (crowd []*bench.Client, heard *ears, err error) {
	heard = new(ears)
	for _, m := range e.meetings[1:] {
		c, err := bench.Dial(ctx, address, m, m.People[0], bench.NewID())
		if err != nil {
			return crowd, heard, err
		}
		crowd = append(crowd, c)
		if _, err := c.Join(); err != nil {
			return crowd, heard, err
		}
		go c.Listen(heard.hear, 4<<10)
	}
	return crowd, heard, nil
}

// talk has everybody talk, each at the rate it may, until during is over, and
// gives the p99 of the time until a speaker hears itself, which says that the
// message is stored.
func (e *export) talk(ctx context.Context, crowd []*bench.Client, heard *ears, during func() error) (time.Duration, error) {
	heard.mu.Lock()
	heard.delays = nil
	heard.mu.Unlock()
	sent := 0
	over := make(chan error, 1)
	go func() { over <- during() }()
	tick := time.NewTicker(time.Second / time.Duration(2*len(crowd)))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case err := <-over:
			if err != nil {
				return 0, err
			}
			if err := heard.await(ctx, sent); err != nil {
				return 0, err
			}
			return heard.p99(), nil
		case <-tick.C:
			sent++
			text := stamp + strconv.FormatInt(time.Now().UnixNano(), 10) + " "
			if err := crowd[n%len(crowd)].Request(protocol.SendMessageToRoom, &rtkwire.SendToRoom{Payload: text}); err != nil {
				return 0, err
			}
		}
	}
}

// link asks for the link to the file, on the address of this server.
func (e *export) link(ctx context.Context, address string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet,
		"http://"+address+"/client/v4/accounts/"+account+"/realtime/kit/"+e.app+"/sessions/"+e.session+"/chat", nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Bearer "+e.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var body struct {
		Data struct {
			URL string `json:"chat_download_url"`
		} `json:"data"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return "", err
	}
	u, err := url.Parse(body.Data.URL)
	if err != nil || u.Path == "" {
		return "", fmt.Errorf("the server answered %s without a link", answer.Status)
	}
	u.Scheme, u.Host = "http", address
	return u.String(), nil
}

// fetch downloads the file, and wants all of it. The first byte comes when the
// file is made; the others are taken as fast as a line of exportLine carries them.
func (e *export) fetch(ctx context.Context, link string, made func()) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	made()
	var n int64
	for began := time.Now(); err == nil; {
		var some int64
		some, err = io.CopyN(io.Discard, answer.Body, 64<<10)
		n += some
		ahead := time.Duration(float64(n)/exportLine*float64(time.Second)) - time.Since(began)
		if ahead > time.Millisecond {
			err = errors.Join(err, bench.Pause(ctx, ahead))
		}
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	theirs, err := os.Stat(filepath.Join(e.dir, "theirs.csv"))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || n < theirs.Size()*9/10 {
		return fmt.Errorf("the server answered %s with %d bytes", answer.Status, n)
	}
	return nil
}
