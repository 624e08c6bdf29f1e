package upload_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/blob"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/upload"
)

func TestAPutMayBeRepeatedUntilItIsAttached(t *testing.T) {
	p := open(t, nil)
	l := p.uploaded("a", "first")
	wantStatus(t, p.put(l, "second"), 200)
	if r := p.get(l.Get); r.body != "second" {
		t.Errorf("after a repeated PUT %q is read", r.body)
	}
	if files := p.objects(); len(files) != 1 {
		t.Errorf("what was replaced lies around: %q", files)
	}
	if err := p.attach(p.idOf(l)); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, p.put(l, "third"), 409)
	if r := p.get(l.Get); r.body != "second" {
		t.Errorf("after the attached upload was put, %q is read", r.body)
	}
}

func TestOnlyCompleteUploadsCanBeAttached(t *testing.T) {
	p := open(t, nil)
	l := p.new("a")
	if err := p.attach(p.idOf(l)); chat.CodeOf(err) != chat.Invalid {
		t.Errorf("attaching an upload without bytes gives %v", err)
	}
	wantStatus(t, p.put(l, "content"), 200)
	if err := p.attach(p.idOf(l)); err != nil {
		t.Errorf("attaching a complete upload gives %v", err)
	}
}

// slowPut begins a PUT; what is sent goes through the writer, and the answer
// comes on the channel once it is closed.
func (p *place) slowPut(l links) (*io.PipeWriter, <-chan int) {
	reader, writer := io.Pipe()
	status := make(chan int, 1)
	req, err := http.NewRequestWithContext(p.t.Context(), "PUT", l.Put, reader)
	if err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(status)
		res, err := p.client.Do(req)
		if err != nil {
			return
		}
		_ = res.Body.Close()
		status <- res.StatusCode
	}()
	return writer, status
}

func TestAPutThatEndsAfterTheAttachDoesNotReplaceTheBytes(t *testing.T) {
	p := open(t, nil)
	l := p.uploaded("a", "what was sent")
	late, status := p.slowPut(l)
	if _, err := io.WriteString(late, "what came "); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second PUT", func() bool { return len(p.objects()) == 2 })
	if err := p.attach(p.idOf(l)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(late, "too late"); err != nil {
		t.Fatal(err)
	}
	_ = late.Close()
	if got := <-status; got != 409 {
		t.Errorf("the late PUT gives %d", got)
	}
	if r := p.get(l.Get); r.body != "what was sent" {
		t.Errorf("%q is read", r.body)
	}
	if files := p.objects(); len(files) != 1 {
		t.Errorf("the late bytes lie around: %q", files)
	}
}

func TestFilesOverTheSizeAreRefused(t *testing.T) {
	p := open(t, nil)
	l := p.new("a")
	exact := strings.Repeat("x", maxSize)
	wantStatus(t, p.put(l, exact+"y"), 413)
	wantStatus(t, p.do("PUT", l.Put, io.MultiReader(strings.NewReader(exact), strings.NewReader("y"))), 413) // of unknown length
	wantStatus(t, p.get(l.Get), 404)
	if files := p.objects(); len(files) != 0 {
		t.Errorf("refused bytes lie around: %q", files)
	}
	wantStatus(t, p.put(l, exact), 200)
	if r := p.get(l.Get); r.body != exact {
		t.Errorf("%d bytes are read", len(r.body))
	}
}

func TestALongFileIsRefusedBeforeItIsSent(t *testing.T) {
	p := open(t, nil)
	u, err := url.Parse(p.new("a").Put)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", u.RequestURI(), maxSize+1)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 413 {
		t.Errorf("gives %d", res.StatusCode)
	}
}

func TestAFileCutOffIsNotStored(t *testing.T) {
	p := open(t, nil)
	l := p.uploaded("a", "whole")
	u, err := url.Parse(l.Put)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf", u.RequestURI())
	eventually(t, "the second PUT", func() bool { return len(p.objects()) == 2 })
	_ = conn.Close()
	eventually(t, "the removal of the half", func() bool { return len(p.objects()) == 1 })
	if r := p.get(l.Get); r.body != "whole" {
		t.Errorf("%q is read", r.body)
	}
}

func TestExpiredLinksForWriting(t *testing.T) {
	p := open(t, nil)
	l := p.new("a")
	p.clock.advance(upload.PutFor + 2*time.Second)
	wantStatus(t, p.put(l, "content"), 403)
}

// changed gives a link with one parameter set to another value.
func changed(t *testing.T, link, name, value string) string {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

func TestTamperedLinksLookLikeUnknownOnes(t *testing.T) {
	p := open(t, nil)
	l, other := p.uploaded("a", "content"), p.new("b")
	id := string(p.idOf(l))
	query := func(link string) string { return link[strings.IndexByte(link, '?'):] }
	unknown := p.get(p.url + "/v1/files/019b76da-a800-7000-8000-000000000000/a" + query(l.Get))
	wantStatus(t, unknown, 404)
	for name, r := range map[string]reply{
		"read longer":                 p.get(changed(t, l.Get, "exp", "99999999999")),
		"read without signature":      p.get(changed(t, l.Get, "sig", "")),
		"read with a short signature": p.get(changed(t, l.Get, "sig", "AAAA")),
		"read with two signatures":    p.get(l.Get + "&sig=AAAA"),
		"read without expiry":         p.get(strings.Replace(l.Get, "exp=", "x=", 1)),
		"read with a put link":        p.get(p.url + "/v1/files/" + id + "/a" + query(l.Put)),
		"read another file":           p.get(p.url + "/v1/files/" + string(p.idOf(other)) + "/a" + query(l.Get)),
		"read an id with a path":      p.get(p.url + "/v1/files/..%2f" + id + "/a" + query(l.Get)),
		"read an id with a quote":     p.get(p.url + "/v1/files/" + id + "'/a" + query(l.Get)),
		"read an endless id":          p.get(p.url + "/v1/files/" + strings.Repeat("a", 5000) + "/a" + query(l.Get)),
		"write longer":                p.do("PUT", changed(t, l.Put, "exp", "99999999999"), strings.NewReader("x")),
		"write more":                  p.do("PUT", changed(t, l.Put, "max", "99999999999"), strings.NewReader("x")),
		"write without bound":         p.do("PUT", strings.Replace(l.Put, "max=", "x=", 1), strings.NewReader("x")),
		"write another file":          p.do("PUT", p.url+"/v1/uploads/"+string(p.idOf(other))+query(l.Put), strings.NewReader("x")),
		"write with a read link":      p.do("PUT", p.url+"/v1/uploads/"+id+query(l.Get), strings.NewReader("x")),
		"write an unknown file":       p.do("PUT", p.url+"/v1/uploads/019b76da-a800-7000-8000-000000000000"+query(l.Put), strings.NewReader("x")),
		"no path at all":              p.get(p.url + "/v1/files/"),
	} {
		wantStatus(t, r, 404)
		if r.body != unknown.body {
			t.Errorf("%s: answered with %s, an unknown file with %s", name, r.body, unknown.body)
		}
	}
	if r := p.get(l.Get); r.body != "content" {
		t.Errorf("the file was changed to %q", r.body)
	}
}

func TestWrongMethodsOnLinks(t *testing.T) {
	p := open(t, nil)
	l := p.uploaded("a", "content")
	wantStatus(t, p.do("POST", l.Put, strings.NewReader("x")), 405)
	wantStatus(t, p.get(l.Put), 405)
	wantStatus(t, p.do("DELETE", l.Get, nil), 405)
}

func TestManyPutsAtOnceLeaveOneFile(t *testing.T) {
	p := open(t, nil)
	l := p.new("a")
	contents := make(map[string]bool)
	var wg sync.WaitGroup
	for i := range upload.MaxPuts {
		content := strings.Repeat(fmt.Sprint(i), 50_000+i)
		contents[content] = true
		wg.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), "PUT", l.Put, strings.NewReader(content))
			if err != nil {
				t.Error(err)
				return
			}
			res, err := p.client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			_ = res.Body.Close()
			if res.StatusCode != 200 {
				t.Errorf("a PUT gives %d", res.StatusCode)
			}
		})
	}
	readersDone := make(chan struct{})
	putsDone := make(chan struct{})
	go func() {
		defer close(readersDone)
		for {
			select {
			case <-putsDone:
				return
			default:
			}
			// 404 until the first one has finished; then always a whole file.
			req, err := http.NewRequestWithContext(t.Context(), "GET", l.Get, nil)
			if err != nil {
				t.Error(err)
				return
			}
			res, err := p.client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || res.StatusCode != 404 && (res.StatusCode != 200 || !contents[string(body)]) {
				t.Errorf("meanwhile a GET gives %d with %d bytes: %v", res.StatusCode, len(body), err)
				return
			}
		}
	}()
	wg.Wait()
	close(putsDone)
	<-readersDone
	if r := p.get(l.Get); !contents[r.body] {
		t.Errorf("%d bytes that nobody has put are read", len(r.body))
	}
	if files := p.objects(); len(files) != 1 {
		t.Errorf("%d files lie in the store", len(files))
	}
	loose, err := p.store.LooseBlobs(t.Context(), p.clock.Now().Add(24*time.Hour), 100)
	if err != nil || len(loose) != 0 {
		t.Errorf("still listed as loose: %q, %v", loose, err)
	}
}

func TestAParticipantSendsFewFilesAtATime(t *testing.T) {
	p := open(t, nil)
	var writers []*io.PipeWriter
	var outcomes []<-chan int
	for range upload.MaxPuts {
		w, status := p.slowPut(p.new("a"))
		if _, err := io.WriteString(w, "x"); err != nil {
			t.Fatal(err)
		}
		writers, outcomes = append(writers, w), append(outcomes, status)
	}
	eventually(t, "all PUTs", func() bool { return len(p.objects()) == upload.MaxPuts })
	l := p.new("a")
	wantStatus(t, p.put(l, "one too many"), 429)
	for i, w := range writers {
		_ = w.Close()
		if got := <-outcomes[i]; got != 200 {
			t.Errorf("PUT %d gives %d", i, got)
		}
	}
	wantStatus(t, p.put(l, "now there is room"), 200)
}

// fullDisk is a disk without room.
type fullDisk struct{ blob.Store }

func (fullDisk) Put(context.Context, string, io.Reader, int64) (blob.Info, error) {
	return blob.Info{}, fmt.Errorf("writing: %w", blob.ErrFull)
}

func TestAFullDiskIsToldAsSuch(t *testing.T) {
	p := open(t, func(s blob.Store) blob.Store { return fullDisk{s} })
	l := p.new("a")
	wantStatus(t, p.put(l, "content"), 507)
	wantStatus(t, p.get(l.Get), 404)
}
