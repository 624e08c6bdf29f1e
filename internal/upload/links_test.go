package upload_test

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/blob"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/content"
	"github.com/parley-chat/parley/internal/upload"
)

// nothing stands where only links are of interest.
type nothing struct {
	upload.Store
	upload.Tokens
	upload.Directory
}

func TestLinksOfThisMeetingAreRecognised(t *testing.T) {
	p := open(t, nil)
	l := p.new("a b.png")
	id := p.idOf(l)
	ours := p.Links(p.meeting.ID, false)
	elsewhere := strings.Replace(l.Get, p.url, "https://chat.example/below/a/path", 1)
	for name, link := range map[string]string{
		"as given": l.Get, "by another host and path": elsewhere, "with another name": strings.Replace(l.Get, "a%20b.png", "x", 1),
		"with a fragment": l.Get + "#x", "with more in the query": l.Get + "&x=1",
	} {
		if got, ok := ours.Upload(link); !ok || got != id {
			t.Errorf("%s: %s leads to %q, %t", name, link, got, ok)
		}
	}
	p.clock.advance(30 * 24 * time.Hour)
	if _, ok := ours.Upload(l.Get); !ok {
		t.Error("an old link from the history is not recognised")
	}
	for name, link := range map[string]string{
		"for writing":         l.Put,
		"of another meeting":  p.Link("another", id, "a"),
		"of another upload":   strings.Replace(l.Get, string(id), "019b76da-a800-7000-8000-000000000000", 1),
		"with another expiry": strings.Replace(l.Get, "exp=1", "exp=2", 1),
		"without signature":   l.Get[:strings.Index(l.Get, "&sig=")],
		"with two":            l.Get + "&sig=AAAA",
		"of another path":     strings.Replace(l.Get, "/v1/files/", "/v1/filez/", 1),
		"without name":        strings.Replace(l.Get, "/a%20b.png", "", 1),
		"without a host":      strings.TrimPrefix(l.Get, "http:"),
		"with a user":         strings.Replace(l.Get, "http://", "http://u@", 1),
		"of another scheme":   strings.Replace(l.Get, "http:", "ftp:", 1),
		"with a bad query":    l.Get + "&%zz",
		"empty":               "",
	} {
		if got, ok := ours.Upload(link); ok {
			t.Errorf("a link %s, %s, leads to %q", name, link, got)
		}
	}
}

func TestAMessageRefersToAFileAndBack(t *testing.T) {
	p := open(t, nil)
	l := p.uploaded("a.png", pngOf(t, 1, 1))
	id := p.idOf(l)
	c, err := content.Parse(chat.Image, l.Get, p.Links(p.meeting.ID, false))
	if err != nil {
		t.Fatal(err)
	}
	if c.Payload != "upload:"+string(id) {
		t.Errorf("stored as %q", c.Payload)
	}
	sent := content.Render(c, func(id chat.UploadID, name string) string { return p.Link(p.meeting.ID, id, name) })
	wantStatus(t, p.get(sent), 200)
	if _, err := content.Parse(chat.Image, l.Get, p.Links("another", true)); err != nil {
		t.Errorf("where links elsewhere are allowed, one of another meeting is one: %v", err)
	}
	if _, err := content.Parse(chat.Image, l.Get, p.Links("another", false)); chat.CodeOf(err) != chat.Invalid {
		t.Errorf("a link of another meeting gives %v", err)
	}
}

func TestSomebodyElsesUploadCannotBeAttached(t *testing.T) {
	p := open(t, nil)
	l := p.linksOf(p.askFor(p.tokenOf(p.bob), `{"roomUUID":"`+string(p.meeting.ID)+`","filename":"a"}`))
	wantStatus(t, p.put(l, "Bob's"), 200)
	if err := p.attach(p.idOf(l)); chat.CodeOf(err) != chat.Invalid {
		t.Errorf("Alice sends Bob's upload: %v", err)
	}
}

func TestBadConfigurations(t *testing.T) {
	good := upload.Config{
		Store: nothing{}, Blobs: struct{ blob.Store }{}, Tokens: nothing{}, Directory: nothing{},
		Key: bytes.Repeat([]byte("k"), 16), BaseURL: "https://x",
	}
	if _, err := upload.New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*upload.Config){
		"no store":        func(c *upload.Config) { c.Store = nil },
		"a short key":     func(c *upload.Config) { c.Key = c.Key[:15] },
		"no URL":          func(c *upload.Config) { c.BaseURL = "" },
		"a relative URL":  func(c *upload.Config) { c.BaseURL = "/x" },
		"another scheme":  func(c *upload.Config) { c.BaseURL = "ftp://x" },
		"a query":         func(c *upload.Config) { c.BaseURL = "https://x/?a" },
		"a negative size": func(c *upload.Config) { c.MaxSize = -1 },
	} {
		bad := good
		spoil(&bad)
		if _, err := upload.New(bad); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// FuzzLinks states that a link is recognised only if it carries a signature
// made for this meeting, this upload and this expiry, and that what is minted
// is recognised.
func FuzzLinks(f *testing.F) {
	s, err := upload.New(upload.Config{
		Store: nothing{}, Blobs: struct{ blob.Store }{}, Tokens: nothing{}, Directory: nothing{}, Key: bytes.Repeat([]byte("k"), 16),
		BaseURL: "https://x.example/base", Now: func() time.Time { return time.Unix(1_900_000_000, 0) },
	})
	if err != nil {
		f.Fatal(err)
	}
	const known = chat.UploadID("019b76da-a800-7000-8000-000000000001")
	f.Add(s.Link("m", known, "a.png"), "a.png")
	f.Add(s.Link("other", known, "a.png"), "../\x00\u202e")
	f.Add("https://x/v1/files/"+string(known)+"/a?exp=1&sig=", strings.Repeat("ü", 300))
	f.Add("//v1/files//?sig=&exp=-1", "%2e%2e/")
	ours := s.Links("m", false)
	f.Fuzz(func(t *testing.T, link, name string) {
		if id, ok := ours.Upload(link); ok {
			// Only two links can come from the seeds: any other is a forgery.
			minted, err := url.Parse(s.Link("m", id, name))
			if err != nil {
				t.Fatal(err)
			}
			got, err := url.Parse(link)
			if err != nil || id != known || got.Query().Get("sig") != minted.Query().Get("sig") || got.Query().Get("exp") != minted.Query().Get("exp") {
				t.Fatalf("%q is taken for a link to %q", link, id)
			}
		}
		minted := s.Link("m", known, name)
		if id, ok := ours.Upload(minted); !ok || id != known {
			t.Fatalf("for the name %q the link %q is made, which leads to %q, %t", name, minted, id, ok)
		}
		if strings.ContainsFunc(minted, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"'<>()\`, r) }) {
			t.Fatalf("for the name %q the link %q is made", name, minted)
		}
	})
}
