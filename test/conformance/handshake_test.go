package conformance

import (
	"errors"
	"net/http"
	"strings"
	"testing"

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
		"POST":                        {replaced("GET", "POST"), http.StatusMethodNotAllowed},
		"HTTP/1.0":                    {replaced("HTTP/1.1", "HTTP/1.0"), http.StatusHTTPVersionNotSupported},
		"no host":                     {replaced("Host: parley\r\n", ""), http.StatusBadRequest},
		"no upgrade":                  {replaced("Upgrade: websocket\r\n", ""), http.StatusBadRequest},
		"upgrade to something else":   {replaced("Upgrade: websocket", "Upgrade: h2c"), http.StatusBadRequest},
		"no connection":               {replaced("Connection: Upgrade\r\n", ""), http.StatusBadRequest},
		"no key":                      {replaced("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), http.StatusBadRequest},
		"short key":                   {replaced("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"), http.StatusBadRequest},
		"no version":                  {replaced("Sec-WebSocket-Version: 13\r\n", ""), http.StatusBadRequest},
		"version 8":                   {replaced("Version: 13", "Version: 8"), http.StatusUpgradeRequired},
		"no token":                    {replaced("authToken", "noToken"), http.StatusUnauthorized},
		"header of 64 KiB":            {good + "X: " + strings.Repeat("x", 64<<10) + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
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

func TestFramesMayFollowTheUpgradeAtOnce(t *testing.T) {
	w := newWorld(t)
	c, err := raw.Connect(w.ctx, w.addr)
	must(t, err)
	defer c.Close()
	must(t, c.Handshake(raw.Upgrade(w.path)+"\r\n"+string(echo("a", 300))))
	(&conn{T: t, Conn: c}).hearUntil("a")
}
