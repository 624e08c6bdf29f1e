package conformance

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/test/raw"
)

// TestSection0Handshake changes one line of a good upgrade at a time (RFC
// 6455, 4.2.1).
func TestSection0Handshake(t *testing.T) {
	w := newWorld(t)
	good := raw.Upgrade(w.path)
	replaced := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("%q is not in the upgrade", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	for name, test := range map[string]struct {
		request string
		want    int
	}{
		"as it should be":             {good, 0},
		"names in small letters":      {replaced("Sec-WebSocket-Key", "sec-websocket-key"), 0},
		"values in other letters":     {replaced("Upgrade: websocket", "Upgrade: WebSocket"), 0},
		"among other connection ways": {replaced("Connection: Upgrade", "Connection: keep-alive, Upgrade"), 0},
		"compression offered":         {good + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", 0},
		"a subprotocol offered":       {good + "Sec-WebSocket-Protocol: chat\r\n", 0},
		"from a page":                 {good + "Origin: https://app.example\r\n", 0},
		// Who comes is told by the token alone; there are no cookies that a
		// page could abuse, and apps are served from anywhere.
		"from another page":             {good + "Origin: https://evil.example\r\n", 0},
		"from a page without origin":    {good + "Origin: null\r\n", 0},
		"compression offered twice":     {good + "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Extensions: x-webkit-deflate-frame\r\n", 0},
		"200 cookies":                   {good + strings.Repeat("Cookie: a=0123456789012345678901234567890123456789\r\n", 200), 0},
		"one cookie of 8 KiB":           {good + "Cookie: a=" + strings.Repeat("x", 8<<10) + "\r\n", 0},
		"2000 cookies":                  {good + strings.Repeat("Cookie: a=0123456789012345678901234567890123456789\r\n", 2000), http.StatusRequestHeaderFieldsTooLarge},
		"an address of 64 KiB":          {replaced("&ping=true", "&ping="+strings.Repeat("x", 64<<10)), http.StatusRequestHeaderFieldsTooLarge},
		"POST":                          {replaced("GET", "POST"), http.StatusMethodNotAllowed},
		"HTTP/1.0":                      {replaced("HTTP/1.1", "HTTP/1.0"), http.StatusHTTPVersionNotSupported},
		"no host":                       {replaced("Host: parley\r\n", ""), http.StatusBadRequest},
		"no upgrade":                    {replaced("Upgrade: websocket\r\n", ""), http.StatusBadRequest},
		"upgrade to something else":     {replaced("Upgrade: websocket", "Upgrade: h2c"), http.StatusBadRequest},
		"no connection":                 {replaced("Connection: Upgrade\r\n", ""), http.StatusBadRequest},
		"no key":                        {replaced("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), http.StatusBadRequest},
		"no key of base64, but as long": {replaced("dGhlIHNhbXBsZSBub25jZQ==", strings.Repeat("?", 22)+"=="), http.StatusBadRequest},
		"long key":                      {replaced("dGhlIHNhbXBsZSBub25jZQ==", strings.Repeat("A", 400)), http.StatusBadRequest},
		"two hosts":                     {replaced("Host: parley\r\n", "Host: parley\r\nHost: other\r\n"), http.StatusBadRequest},
		"HTTP/2.0 in the old form":      {replaced("HTTP/1.1", "HTTP/2.0"), http.StatusHTTPVersionNotSupported},
		"a line folded":                 {replaced("Upgrade: websocket", "Upgrade:\r\n websocket"), 0}, // RFC 9112, 5.2, lets both pass
		"a space before the colon":      {replaced("Upgrade: websocket", "Upgrade : websocket"), http.StatusBadRequest},
		"NUL in a header":               {good + "X: a\x00b\r\n", http.StatusBadRequest},
		"short key":                     {replaced("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"), http.StatusBadRequest},
		"no version":                    {replaced("Sec-WebSocket-Version: 13\r\n", ""), http.StatusBadRequest},
		"version 0":                     {replaced("Version: 13", "Version: 0"), http.StatusUpgradeRequired},
		"version 14":                    {replaced("Version: 13", "Version: 14"), http.StatusUpgradeRequired},
		"version 8":                     {replaced("Version: 13", "Version: 8"), http.StatusUpgradeRequired},
		"no token":                      {replaced("authToken", "noToken"), http.StatusUnauthorized},
		"header of 64 KiB":              {good + "X: " + strings.Repeat("x", 64<<10) + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := raw.Connect(w.ctx, w.addr)
			must(t, err)
			defer c.Close()
			err = c.Handshake(test.request + "\r\n")
			status, _ := errors.AsType[raw.StatusError](err)
			if int(status) != test.want || err != nil && status == 0 {
				t.Errorf("got %v, want %d", err, test.want)
			}
		})
	}
}

// TestFramesMayFollowTheUpgradeAtOnce has the bytes behind the request in the
// same write: whole messages, more than any buffer holds, and half a message
// whose rest comes later.
func TestFramesMayFollowTheUpgradeAtOnce(t *testing.T) {
	w := newWorld(t)
	halves := fragments(raw.Binary, 150, request("c", 300))
	for name, test := range map[string]struct {
		behind, later []byte
		want          string
	}{
		"a message":                 {echo("a", 300), nil, "a"},
		"two messages":              {slices.Concat(echo("a", 200), echo("b", 300)), nil, "b"},
		"64 KiB":                    {echo("a", longest), nil, "a"},
		"a fragment":                {halves[0], halves[1], "c"},
		"the first byte of a frame": {halves[0][:1], slices.Concat(halves[0][1:], halves[1]), "c"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := raw.Connect(w.ctx, w.addr)
			must(t, err)
			defer c.Close()
			must(t, c.Handshake(raw.Upgrade(w.path)+"\r\n"+string(test.behind)))
			_, err = c.Write(test.later)
			must(t, err)
			(&conn{T: t, Conn: c}).hearUntil(test.want)
		})
	}
}

// TestAFrameThatBreaksTheRulesMayFollowTheUpgradeToo: it is judged like any
// other.
func TestAFrameThatBreaksTheRulesMayFollowTheUpgradeToo(t *testing.T) {
	w := newWorld(t)
	c, err := raw.Connect(w.ctx, w.addr)
	must(t, err)
	defer c.Close()
	must(t, c.Handshake(raw.Upgrade(w.path)+"\r\n"+string(raw.Message(3, nil))))
	(&conn{T: t, Conn: c}).hearUntilClosed(1002)
}

// TestHalfAnUpgradeIsGivenTenSeconds sends a part of a request and then
// nothing, or a byte now and then. The server hangs up, and tells nobody
// anything.
func TestHalfAnUpgradeIsGivenTenSeconds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := raw.Upgrade(w.path)
	for name, test := range map[string]struct{ begun, trickle string }{
		"nothing at all":      {"", ""},
		"the method":          {"GET ", ""},
		"half of the request": {good[:len(good)/2], ""},
		"all but the end":     {good, ""},
		"header upon header":  {good, "X-A: b\r\n"},
		"a letter at a time":  {good + "X: ", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := raw.Connect(w.ctx, w.addr)
			must(t, err)
			defer c.Close()
			start := time.Now()
			_, err = io.WriteString(c, test.begun)
			must(t, err)
			ended := make(chan struct{})
			go func() {
				tick := time.NewTicker(500 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						_, _ = io.WriteString(c, test.trickle) // in the end nobody is there
					case <-ended:
						return
					}
				}
			}()
			said, _ := io.ReadAll(c)
			close(ended)
			if took := time.Since(start); took < 5*time.Second || took > 15*time.Second {
				t.Errorf("the server hung up after %v", took)
			}
			if bytes.Contains(said, []byte("101 ")) {
				t.Errorf("the server said %q", said)
			}
		})
	}
}

// TestTheSameOverTLS is one row for what is below: the bytes within are the
// same.
func TestTheSameOverTLS(t *testing.T) {
	w := newWorld(t)
	dialler := tls.Dialer{Config: &tls.Config{RootCAs: w.authority, ServerName: "localhost"}}
	secure, err := dialler.DialContext(w.ctx, "tcp", w.tlsAddr)
	must(t, err)
	c := raw.On(secure)
	defer c.Close()
	must(t, c.Handshake(raw.Upgrade(w.path)+"\r\n"+string(echo("a", 300))))
	h := &conn{T: t, Conn: c}
	h.hearUntil("a")
	for _, part := range slices.Concat(fragments(raw.Binary, 1000, request("b", longest)), in(ping("p"))) {
		_, err := c.Write(part)
		must(t, err)
	}
	h.hearUntil("b")
	_, err = c.Write(raw.Goodbye(1000, ""))
	must(t, err)
	h.hearUntilClosed(1000)
	if !slices.Equal(h.answers, []string{"a", "b"}) || !slices.Equal(h.pongs, []string{"p"}) {
		t.Errorf("answered %q, ponged %q", h.answers, h.pongs)
	}
}
