package hostile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// webAttacks use plain HTTP.
var webAttacks = []Attack{
	{"REST with a participant's token", restWithoutRight},
	{"requests that are no HTTP", brokenHTTP},
	{"uploads by links of others", foreignUploads},
	{"uploads for other meetings and with bad names", badUploadRequests},
}

// call makes a request and gives its status and body.
func (a *Attacker) call(ctx context.Context, method, path, token, body string) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+a.Addr, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if u, err := url.Parse(path); err == nil && u.Path != "" {
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = u.Path, u.RawPath, u.RawQuery
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Close = true
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	a.hear(raw)
	return answer.StatusCode, raw, err
}

func (a *Attacker) mustNotDo(ctx context.Context, method, path, token, body string) error {
	status, _, err := a.call(ctx, method, path, token, body)
	if err == nil && (status < 400 || status > 499) {
		err = fmt.Errorf("%s %.100s was answered %d", method, path, status)
	}
	return err
}

func restWithoutRight(ctx context.Context, a *Attacker) error {
	meetings := append([]string{a.Meeting}, a.Foreign.Meetings...)
	for _, token := range []string{"", a.Token, "parley_" + strings.Repeat("A", 52), "null", strings.Repeat("x", 10_000)} {
		for _, id := range meetings {
			for _, path := range []string{
				"/v2/meetings", "/v2/meetings/" + id, "/v2/meetings/" + id + "/participants", "/v2/meetings/" + id + "/active-session", "/v2/presets",
				"/v2/sessions", "/v2/webhooks", "/client/v4/accounts/a/realtime/kit/" + id + "/meetings", "/client/v4/accounts/a/realtime/kit/apps",
			} {
				for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
					if err := a.mustNotDo(ctx, method, path, token, `{"title":"mine","name":"mine","preset_name":"group_call_host","custom_participant_id":"x"}`); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// brokenHTTP sends what no client would. Whatever comes back, it comes soon,
// and is no success.
func brokenHTTP(ctx context.Context, a *Attacker) error {
	requests := []string{
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET\r\n\r\n", "\r\n\r\n\r\n\r\n",
		"GET /" + strings.Repeat("a", 100_000) + " HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 20_000) + "\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 100_000) + "\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"POST /v2/meetings HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
		"POST /v2/meetings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx\r\n",
		"POST /v2/meetings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", "POST /v2/meetings HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"GET /../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/files/../../../../etc/passwd/x HTTP/1.1\r\nHost: x\r\n\r\n", "GET /demo/../../go.mod HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
	}
	results := make(chan error, len(requests))
	for i, request := range requests {
		go func() { results <- a.say(ctx, i, request) }()
	}
	var errs []error
	for range requests {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

// say sends a request as it stands.
func (a *Attacker) say(ctx context.Context, number int, request string) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	go func() { _, _ = io.WriteString(c, request) }() // the server may hang up amidst
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil // it need not answer
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	a.hear(body)
	if answer.StatusCode/100 == 2 && !bytes.HasPrefix(body, []byte("{")) || bytes.Contains(body, []byte("root:")) {
		return fmt.Errorf("request %d was answered %d %.50q", number, answer.StatusCode, body)
	}
	return nil
}

// foreignUploads puts and reads with links of others that have been altered.
func foreignUploads(ctx context.Context, a *Attacker) error {
	for _, link := range a.Foreign.Links {
		for _, l := range altered(link)[1:5] {
			u, err := url.Parse(l)
			if err != nil {
				return err
			}
			for _, method := range []string{http.MethodPut, http.MethodGet, http.MethodPost, http.MethodDelete} {
				for _, path := range []string{u.RequestURI(), strings.Replace(u.RequestURI(), "/v1/files/", "/v1/uploads/", 1), strings.Replace(u.RequestURI(), "/v1/uploads/", "/v1/files/", 1)} {
					if err := a.mustNotDo(ctx, method, path, "", "overwritten"); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func badUploadRequests(ctx context.Context, a *Attacker) error {
	ask := func(meeting, name any) string {
		raw, err := json.Marshal(map[string]any{"roomUUID": meeting, "filename": name, "expiry": -1e308})
		if err != nil {
			panic(err)
		}
		return string(raw)
	}
	for _, meeting := range append([]string{"", "x"}, a.Foreign.Meetings...) {
		if err := a.mustNotDo(ctx, http.MethodPost, "/v2/meetings/chat-upload", a.Token, ask(meeting, "a.png")); err != nil {
			return err
		}
	}
	for _, body := range []string{
		"", "null", "[]", "x", ask(nil, nil), ask(map[string]string{}, 1), strings.Repeat(`{"a":`, 10_000), `{"roomUUID":` + quote(a.Meeting) + "}",
		ask(a.Meeting, strings.Repeat("x", 60_000)+".png"),
	} {
		status, _, err := a.call(ctx, http.MethodPost, "/v2/meetings/chat-upload", a.Token, body)
		if err != nil {
			return err
		}
		if status >= 500 {
			return fmt.Errorf("an upload asked for with %.60q was answered %d", body, status)
		}
	}
	for _, name := range []string{"../../x.png", "/etc/passwd", "a\x00b.png", "a\r\nX: y.png", "\u202egnp.exe", "<script>.svg", "CON", ".", "..", "a/b\\c", "\"';%.png"} {
		status, answer, err := a.call(ctx, http.MethodPost, "/v2/meetings/chat-upload", a.Token, ask(a.Meeting, name))
		if err != nil {
			return err
		}
		var got struct {
			Data struct {
				Put string `json:"put_location"`
			}
		}
		if status != http.StatusOK || json.Unmarshal(answer, &got) != nil {
			continue // refused
		}
		u, err := url.Parse(got.Data.Put)
		if err != nil {
			return err
		}
		if status, _, err := a.call(ctx, http.MethodPut, u.RequestURI(), "", "<svg onload=alert(1)>"); err != nil || status >= 500 {
			return fmt.Errorf("putting %q was answered %d, %w", name, status, err)
		}
	}
	return nil
}
