package upload_test

import (
	"os"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/upload"
)

const hostileSVG = `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`

func TestOnlyCheckedImagesAreShownInline(t *testing.T) {
	p := open(t, nil)
	png := pngOf(t, 3, 2)
	gif := "GIF89a\x03\x00\x02\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x03\x00\x02\x00\x00\x02\x02D\x01\x00;"
	for _, test := range []struct {
		name, content, contentType string
		inline                     bool
	}{
		{"a.png", png, "image/png", true},
		{"a.gif", gif, "image/gif", true},
		{"page.html", png, "image/png", true}, // the name says nothing
		{"vector.png", hostileSVG, "application/octet-stream", false},
		{"vector.svg", strings.TrimPrefix(hostileSVG, `<?xml version="1.0"?>`), "application/octet-stream", false},
		{"page.png", "<!DOCTYPE html><script>alert(1)</script>", "application/octet-stream", false},
		{"script.jpg", "alert(1)", "application/octet-stream", false},
		{"magic.png", "\x89PNG\r\n\x1a\n<script>alert(1)</script>", "application/octet-stream", false},
		{"magic.jpg", "\xff\xd8\xff<script>alert(1)</script>", "application/octet-stream", false},
		{"magic.gif", "GIF89a\x00\x00\x00\x00\x00\x00\x00<script>", "application/octet-stream", false},
		{"magic.webp", "RIFF\x10\x00\x00\x00WEBPVP8 <script>", "application/octet-stream", false},
		{"bomb.png", strings.Replace(png, "\x00\x00\x00\x03\x00\x00\x00\x02", "\x7f\xff\xff\xff\x7f\xff\xff\xff", 1), "application/octet-stream", false},
		{"bitmap.bmp", "BM rest", "application/octet-stream", false},
		{"a.pdf", "%PDF-1.7 rest", "application/pdf", false},
		{"a.mp4", "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "video/mp4", false},
		{"empty", "", "application/octet-stream", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := p.new(test.name)
			wantStatus(t, p.do("PUT", l.Put, strings.NewReader(test.content), "Content-Type", "text/html"), 200)
			r := p.get(l.Get)
			wantStatus(t, r, 200)
			if r.body != test.content {
				t.Errorf("other bytes are read")
			}
			disposition, _, _ := strings.Cut(r.Header.Get("Content-Disposition"), ";")
			if got := r.Header.Get("Content-Type"); got != test.contentType || (disposition == "inline") != test.inline {
				t.Errorf("served as %s %s", disposition, got)
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox",
				"Cross-Origin-Resource-Policy": "cross-origin",
			} {
				if got := r.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestPartsOfAFile(t *testing.T) {
	p := open(t, nil)
	l := p.uploaded("a", "0123456789")
	r := p.get(l.Get, "Range", "bytes=2-4")
	if r.StatusCode != 206 || r.body != "234" || r.Header.Get("Content-Range") != "bytes 2-4/10" {
		t.Errorf("a range gives %d %q %q", r.StatusCode, r.body, r.Header.Get("Content-Range"))
	}
	if r := p.get(l.Get, "Range", "bytes=-3", "If-Range", r.Header.Get("ETag")); r.StatusCode != 206 || r.body != "789" {
		t.Errorf("the end of the same file gives %d %q", r.StatusCode, r.body)
	}
	if r := p.get(l.Get, "Range", "bytes=-3", "If-Range", `"another"`); r.StatusCode != 200 || r.body != "0123456789" {
		t.Errorf("the end of another file gives %d %q", r.StatusCode, r.body)
	}
	if r := p.get(l.Get, "Range", "bytes=10-"); r.StatusCode != 416 {
		t.Errorf("a range behind the end gives %d", r.StatusCode)
	}
}

func TestHeadTellsWhatGetWould(t *testing.T) {
	p := open(t, nil)
	l := p.uploaded("a.txt", "0123456789")
	head, get := p.do("HEAD", l.Get, nil), p.get(l.Get)
	if head.StatusCode != 200 || head.body != "" || head.ContentLength != 10 {
		t.Errorf("HEAD gives %d, %d bytes", head.StatusCode, head.ContentLength)
	}
	for _, name := range []string{"Content-Type", "Content-Disposition", "ETag", "Cache-Control", "Content-Security-Policy"} {
		if h, g := head.Header.Get(name), get.Header.Get(name); h != g || h == "" {
			t.Errorf("%s is %q to HEAD and %q to GET", name, h, g)
		}
	}
}

func TestCachesAreToldWhetherAFileMayChange(t *testing.T) {
	p := open(t, nil)
	l := p.uploaded("a", "first")
	before := p.get(l.Get)
	if got := before.Header.Get("Cache-Control"); got != "private, no-cache" {
		t.Errorf("before it is attached: %q", got)
	}
	if r := p.get(l.Get, "If-None-Match", before.Header.Get("ETag")); r.StatusCode != 304 {
		t.Errorf("an unchanged file gives %d", r.StatusCode)
	}
	wantStatus(t, p.put(l, "second"), 200)
	if r := p.get(l.Get, "If-None-Match", before.Header.Get("ETag")); r.StatusCode != 200 {
		t.Errorf("a changed file gives %d", r.StatusCode)
	}
	if err := p.attach(p.idOf(l)); err != nil {
		t.Fatal(err)
	}
	if got := p.get(l.Get).Header.Get("Cache-Control"); got != "private, max-age=3600" {
		t.Errorf("after it is attached: %q", got)
	}
}

func TestDamagedFilesAreNotServed(t *testing.T) {
	p := open(t, nil)
	l := p.uploaded("a", "0123456789")
	if err := os.Truncate(p.objects()[0], 5); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, p.get(l.Get), 500)
	if err := os.Remove(p.objects()[0]); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, p.get(l.Get), 503)
}

func TestMediaTypesReachTheRuleOnImages(t *testing.T) {
	p := open(t, nil)
	for content, want := range map[string]string{
		pngOf(t, 1, 1): "image/png", hostileSVG: "text/xml; charset=utf-8", "\x89PNG\r\n\x1a\nx": "application/octet-stream",
	} {
		id := p.idOf(p.uploaded("a.png", content))
		var found *upload.Bytes
		if u, err := p.store.FindUpload(t.Context(), id); err != nil {
			t.Fatal(err)
		} else if found = u.Bytes; found == nil || found.MediaType != want {
			t.Errorf("%.10q is found to be %+v, want %s", content, found, want)
		}
	}
}
