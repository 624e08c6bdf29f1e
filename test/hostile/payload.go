package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// payloadAttacks say what may harm whoever shows it.
var payloadAttacks = []Attack{
	{"scripts as texts, names and values", scriptsEverywhere},
	{"links that run scripts", scriptLinks},
	{"payloads that receivers cannot parse", unparsable},
	{"links to files of others", foreignLinks},
}

// Flag is what scripts of the attacker set in a page that runs them.
const Flag = "__hostile"

// Scripts are texts that some way of showing would run, or that mislead.
func Scripts() []string {
	const run = "window." + Flag + "=1"
	return []string{
		"<script>" + run + "</script>",
		"<SCRIPT>" + run + "</SCRIPT >",
		"<img src=x onerror='" + run + "'>",
		"<img src=x onerror=" + run + "//",
		"<svg onload='" + run + "'><circle/></svg>",
		"<svg><animate onbegin='" + run + "' attributeName=x dur=1s>",
		"<iframe srcdoc='<script>parent." + Flag + "=1</script>'></iframe>",
		"<details open ontoggle='" + run + "'>x</details>",
		"<math><mtext></form><form><mglyph><style></math><img src onerror='" + run + "'>",
		"<style>@import 'javascript:" + run + "';</style>",
		"<base href='https://evil.example/'><a href='/x'>click</a>",
		"<meta http-equiv=refresh content='0;url=javascript:" + run + "'>",
		"<form action='javascript:" + run + "'><button>click</button></form>",
		"<a href='javascript:" + run + "'>click</a>",
		"<a href=\"jAvAsCrIpT:" + run + "\">click</a>",
		"<a href='java\tscript:" + run + "'>click</a>",
		"<a href='java&#10;script:" + run + "'>click</a>",
		"<a href='&#106;avascript&colon;" + run + "'>click</a>",
		"<a href=' javascript:" + run + "'>click</a>",
		"<a href='\u0001javascript:" + run + "'>click</a>",
		"<a href='data:text/html,<script>opener." + Flag + "=1</script>'>click</a>",
		"<a href='vbscript:" + run + "'>click</a>",
		"<a\nhref='javascript:" + run + "'>click</a>",
		"<a/href='javascript:" + run + "'>click</a>",
		"</a><a href='javascript:" + run + "'>click</a>",
		"<<a>a href='javascript:" + run + "'>click</a>",
		"<blockquote><script>" + run + "</script></blockquote>\n\nreply",
		"<blockquote>" + strings.Repeat("<blockquote>", 100) + "x",
		"javascript:" + run,
		"[click](javascript:" + run + ")",
		"{{constructor.constructor('" + run + "')()}}",
		"${" + run + "}",
		"\u202egnp.exe\u202c", "\u2066\u2067\u2068", "a\u200bb\u200cc\u200dd\ufeff",
		"x" + strings.Repeat("\u0301", 1999), strings.Repeat("\U000e0041", 900), strings.Repeat("\U0001f468\u200d", 600),
		strings.Repeat("W", 2000), strings.Repeat("\n", 2000), "\r\n\r\n", "\u2028\u2029\u0085",
		"=1+1", "@SUM(1)", "\t=cmd|' /C calc'!A0",
	}
}

func quote(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func scriptsEverywhere(ctx context.Context, a *Attacker) error {
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	for i, script := range Scripts() {
		for event, payload := range map[protocol.Event]proto.Message{
			protocol.SendMessageToRoom:  &rtkwire.SendToRoom{Payload: script},
			protocol.SendMessageToPeers: &rtkwire.SendToPeers{Payload: script, PeerIds: a.Foreign.Peers},
			protocol.BroadcastMessage:   &rtkwire.Broadcast{Type: script[:min(len(script), 200)], Payload: []byte(`{"html":` + quote(script) + `}`)},
			protocol.StoreInsertKeys: &rtkwire.StoreWrite{PluginId: a.Meeting, StoreName: script[:min(len(script), 200)], Keys: []*rtkwire.StoreKey{
				{StoreKey: script[:min(len(script), 200)], Payload: []byte(quote(script))},
			}},
		} {
			raw, err := proto.Marshal(payload)
			if err != nil {
				continue // cut within a character: not what is meant here
			}
			if err := s.answered(ctx, event, raw); err != nil {
				return fmt.Errorf("script %d: %w", i, err)
			}
		}
		custom := `{"type":"custom","message":` + quote(script) + `,"html":` + quote(script) + `}`
		if err := s.answered(ctx, protocol.SendMessageToRoom, marshal(&rtkwire.SendToRoom{PayloadType: 3, Payload: custom})); err != nil {
			return fmt.Errorf("script %d as custom message: %w", i, err)
		}
	}
	return a.scriptNames(ctx)
}

// scriptNames joins under names that are scripts, and says something.
func (a *Attacker) scriptNames(ctx context.Context) error {
	for _, script := range Scripts()[:25] {
		s, err := a.open(ctx, a.Token, newID())
		if err != nil {
			return err
		}
		for event, payload := range map[protocol.Event]proto.Message{
			protocol.JoinRoom:          &rtkwire.JoinRoomRequest{Peer: &rtkwire.Peer{DisplayName: script, DisplayPictureUrl: &script}},
			protocol.SendMessageToRoom: &rtkwire.SendToRoom{Payload: "under another name"},
		} {
			if err := s.answered(ctx, event, marshal(payload)); err != nil {
				return err
			}
		}
		_ = s.Close()
	}
	return nil
}

// addresses are links that lead nowhere good.
func addresses() []string {
	const run = "window." + Flag + "=1"
	return []string{
		"javascript:" + run, "JavaScript:" + run, " javascript:" + run, "java\tscript:" + run, "java\nscript:" + run, "\x01javascript:" + run,
		"&#106;avascript:" + run, "javascript&colon;" + run, "data:text/html,<script>" + run + "</script>", "vbscript:" + run,
		"blob:https://evil.example/1", "file:///etc/passwd", "//evil.example/x", "/etc/passwd", "https:evil.example", "http://", "https:///x",
		"https://evil.example/a.png", "http://127.0.0.1/", "http://[::1]/", "https://user:password@evil.example/", "https://evil.example\\@good.example/",
		"https://evil.example/" + strings.Repeat("a", 5000), "ws://evil.example/", "mailto:x@evil.example", "intent://x#Intent;end", "",
	}
}

func scriptLinks(ctx context.Context, a *Attacker) error {
	for _, address := range addresses() {
		s, err := a.join(ctx)
		if err != nil {
			return err
		}
		for kind, payload := range map[int32][]string{
			1: {address, quote(address)},
			2: {`{"link":` + quote(address) + `,"name":"a.png","size":1}`},
			3: {
				`{"type":"custom","images":[{"link":` + quote(address) + `}]}`, `{"type":"custom","files":[{"link":` + quote(address) + `,"name":"x","size":1}]}`,
				`{"type":"custom","videos":[{"link":` + quote(address) + `}]}`, `{"type":"custom","images":[` + quote(address) + `]}`,
			},
		} {
			for _, p := range payload {
				raw := marshal(&rtkwire.SendToRoom{PayloadType: kind, Payload: p})
				if err := s.mustBeRefused(ctx, fmt.Sprintf("kind %d with %.60q", kind, p), protocol.SendMessageToRoom, raw); err != nil {
					return err
				}
			}
		}
		_ = s.Close()
	}
	return nil
}

// unparsable are payloads on which receivers fail that read JSON without a
// guard.
func unparsable(ctx context.Context, a *Attacker) error {
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	bad := []string{
		"", "x", "{", "}", "null", "true", "0", `"text"`, "[]", "[{}]", "{}", "{'a':1}", "{\"a\":1,}", "NaN", "1e400", "\ufeff{}", "{}{}", "// x\n{}",
		`{"link":null,"name":null,"size":null}`, `{"link":1,"name":2,"size":"3"}`, `{"link":{},"name":[],"size":{}}`, `{"link":"x","name":"y","size":1e400}`,
		`{"link":"x","name":"y","size":-1}`, `{"__proto__":{"polluted":1},"link":"x"}`, `{"constructor":{"prototype":{"polluted":1}}}`,
		`{"link":"a","link":"b"}`, strings.Repeat("[", 10_000), strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000),
		`{"type":"custom","files":null,"images":null,"videos":null,"message":null,"html":null}`,
		`{"type":"custom","files":{},"images":1,"videos":"x","message":[],"html":{}}`, `{"type":"custom","files":[null],"images":[1],"videos":["x"]}`,
		`{"type":"custom","message":1e400}`, `{"type":"custom","n":123456789012345678901234567890}`, `{"type":"custom","__proto__":{"message":"x"}}`,
		`{"type":"custom","message":"\ud800"}`, `{"type":"custom","message":"\u0000"}`, `{"type":null}`, `{"type":"custom","toString":1,"hasOwnProperty":2}`,
		`{"type":"custom","message":"` + strings.Repeat(`\u0000`, 2000) + `"}`,
	}
	for _, p := range bad {
		for kind := int32(-1); kind < 6; kind++ {
			if err := s.answered(ctx, protocol.SendMessageToRoom, marshal(&rtkwire.SendToRoom{PayloadType: kind, Payload: p})); err != nil {
				return fmt.Errorf("kind %d with %.60q: %w", kind, p, err)
			}
		}
		for event, payload := range map[protocol.Event]proto.Message{
			protocol.BroadcastMessage: &rtkwire.Broadcast{Type: "x", Payload: []byte(p)},
			protocol.StoreInsertKeys:  &rtkwire.StoreWrite{PluginId: a.Meeting, StoreName: "s", Keys: []*rtkwire.StoreKey{{StoreKey: "k", Payload: []byte(p)}}},
		} {
			if err := s.answered(ctx, event, marshal(payload)); err != nil {
				return fmt.Errorf("event %#x with %.60q: %w", event, p, err)
			}
		}
	}
	return nil
}

// foreignLinks sends on what others have uploaded, as it is and altered.
func foreignLinks(ctx context.Context, a *Attacker) error {
	s, err := a.join(ctx)
	if err != nil {
		return err
	}
	for _, link := range a.Foreign.Links {
		for _, l := range altered(link) {
			for kind, payload := range map[int32]string{
				1: l, 2: `{"link":` + quote(l) + `,"name":"mine.png","size":1}`, 3: `{"type":"custom","files":[{"link":` + quote(l) + `,"name":"x","size":1}]}`,
			} {
				raw := marshal(&rtkwire.SendToRoom{PayloadType: kind, Payload: payload})
				if err := s.mustBeRefused(ctx, fmt.Sprintf("another's file as kind %d", kind), protocol.SendMessageToRoom, raw); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// altered gives a link as it is, and with one thing changed at a time.
func altered(link string) []string {
	all := []string{link, link + "&exp=99999999999", link + "x", strings.Replace(link, "exp=", "exp=9", 1), strings.Replace(link, "sig=", "sig=A", 1)}
	path, query, _ := strings.Cut(link, "?")
	return append(all, path, path+"/../x?"+query, strings.Replace(link, "https://", "http://evil.example@", 1))
}
