package hostile

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// identityAttacks are about who one is.
var identityAttacks = []Attack{
	{"tokens that are none", badTokens},
	{"peer ids of others, and such that are none", foreignPeerIDs},
	{"joining in the name of another", foreignJoin},
	{"what a viewer may not", viewerBeyondRights},
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// sign makes a token signed with a key of the attacker's own.
func sign(header, payload, key string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(header + "." + payload))
	return header + "." + payload + "." + encode(string(mac.Sum(nil)))
}

func badTokens(ctx context.Context, a *Attacker) error {
	parts := strings.Split(a.Token, ".")
	if len(parts) != 3 {
		return fmt.Errorf("the attacker's own token has %d parts", len(parts))
	}
	header, payload, signature := parts[0], parts[1], parts[2]
	claims, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return err
	}
	other := encode(strings.Replace(string(claims), `"participantId":"`, `"participantId":"`+strings.Join(a.Foreign.Participants[:1], "")+`","x":"`, 1))
	hs256 := encode(`{"alg":"HS256","typ":"JWT"}`)
	tokens := map[string]string{
		"none at all":              "",
		"noise":                    "eyJ.x.y",
		"no algorithm":             encode(`{"alg":"none","typ":"JWT"}`) + "." + payload + ".",
		"no algorithm, signed":     encode(`{"alg":"none"}`) + "." + payload + "." + signature,
		"NoNe":                     encode(`{"alg":"NoNe"}`) + "." + payload + ".",
		"HS384 by name":            encode(`{"alg":"HS384"}`) + "." + payload + "." + signature,
		"RS256 by name":            encode(`{"alg":"RS256"}`) + "." + payload + "." + signature,
		"empty key":                sign(hs256, payload, ""),
		"guessed key":              sign(hs256, payload, "secret"),
		"key of its own":           sign(encode(`{"alg":"HS256","jwk":{"kty":"oct","k":"c2VjcmV0"}}`), payload, "secret"),
		"key by path":              sign(encode(`{"alg":"HS256","kid":"../../../../dev/null"}`), payload, ""),
		"key by address":           sign(encode(`{"alg":"HS256","jku":"http://127.0.0.1:1/"}`), payload, ""),
		"signature cut":            header + "." + payload + "." + signature[:len(signature)-1],
		"signature gone":           header + "." + payload + ".",
		"two parts":                header + "." + payload,
		"four parts":               a.Token + "." + signature,
		"another's name":           header + "." + other + "." + signature,
		"another's name, resigned": sign(hs256, other, "secret"),
		"a space behind":           a.Token + " ",
		"a line behind":            a.Token + "\n",
		"padded":                   header + "." + payload + "." + signature + "=",
		"20 KB":                    a.Token + strings.Repeat("A", 20_000),
		"20 KB of dots":            strings.Repeat(".", 20_000),
		"1 MB":                     strings.Repeat("A", 1<<20),
		"nested JSON":              sign(hs256, encode(strings.Repeat(`{"a":`, 2000)+"1"+strings.Repeat("}", 2000)), "secret"),
	}
	maps.Copy(tokens, a.Foreign.Tokens)
	for name, token := range tokens {
		if err := a.mustRefuse(ctx, name, a.query(token, newID())); err != nil {
			return err
		}
	}
	twice := a.query(a.Foreign.anyToken(), newID()) + "&authToken=" + url.QueryEscape(a.Token)
	if err := a.mustRefuse(ctx, "a good token behind a bad one", twice); err != nil {
		return err
	}
	for _, meeting := range append([]string{"", "*", "%", strings.ToUpper(a.Meeting), a.Meeting + "/", a.Meeting + "\x00"}, a.Foreign.Meetings...) {
		query := url.Values{"roomID": {meeting}, "peerID": {newID()}, "authToken": {a.Token}}.Encode()
		if err := a.mustRefuse(ctx, "meeting "+meeting, query); err != nil {
			return err
		}
	}
	return nil
}

func (f Foreign) anyToken() string {
	for _, token := range f.Tokens {
		return token
	}
	return "x"
}

func foreignPeerIDs(ctx context.Context, a *Attacker) error {
	ids := append([]string{
		"", "x", "null", "__proto__", strings.Repeat("a", 36), strings.Repeat("a", 10_000), "00000000-0000-0000-0000-00000000000",
		"{00000000-0000-4000-8000-000000000000}", "urn:uuid:00000000-0000-4000-8000-000000000000", "00000000000040008000000000000000",
		"ABCDEF00-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000\x00", "../../../../../../../../../../../../",
	}, a.Foreign.Peers...)
	for _, id := range ids {
		if err := a.mustRefuse(ctx, fmt.Sprintf("peer id %.50q", id), a.query(a.Token, id)); err != nil {
			return err
		}
	}
	// One that says it was another before is nobody else by that.
	for _, id := range a.Foreign.Peers {
		if _, err := a.dial(ctx, a.query(a.Token, newID())+"&oldPeerID="+id); err != nil {
			return err
		}
	}
	return nil
}

// foreignJoin proposes to be somebody else; the answer has to say who it is.
func foreignJoin(ctx context.Context, a *Attacker) error {
	for _, victim := range a.Foreign.Peers {
		s, err := a.open(ctx, a.Token, newID())
		if err != nil {
			return err
		}
		hidden := &rtkwire.Peer{
			PeerId: victim, UserId: a.Foreign.Participants[0], DisplayName: "Mallory", DisplayPictureUrl: new(string),
			Flags: &rtkwire.PeerFlags{PresetName: "group_call_host", RecorderType: "RECORDER", HiddenParticipant: true},
		}
		answer, err := s.ask(ctx, protocol.JoinRoom, marshal(&rtkwire.JoinRoomRequest{Peer: hidden, RoomUuid: a.Foreign.Meetings[0]}))
		if err != nil {
			return err
		}
		info := new(rtkwire.PeerInfo)
		if err := unmarshal(answer, protocol.JoinRoom, info); err != nil {
			return err
		}
		p := info.GetPeer()
		if p.GetPeerId() != s.id || p.GetUserId() == a.Foreign.Participants[0] || p.GetFlags().GetHiddenParticipant() || p.GetFlags().GetRecorderType() != "NONE" {
			return fmt.Errorf("the server took it for %v", p)
		}
	}
	return nil
}

// viewerBeyondRights asks, as a viewer, for everything that takes a right.
func viewerBeyondRights(ctx context.Context, a *Attacker) error {
	s, err := a.joinWith(ctx, a.Viewer)
	if err != nil {
		return err
	}
	victims := &rtkwire.KickPeers{PeerIds: a.Foreign.Peers}
	users := &rtkwire.UserIds{UserIds: a.Foreign.Participants}
	update := &rtkwire.PresetUpdates{}
	for _, id := range a.Foreign.Participants {
		no := false
		update.UpdatePeersPresets = append(update.UpdatePeersPresets, &rtkwire.PresetUpdate{UserIds: id, Patch: &rtkwire.PresetPatch{KickParticipant: &no}})
	}
	for range 3 {
		for event, payload := range map[protocol.Event][]byte{
			protocol.Kick: marshal(victims), protocol.KickAll: marshal(&rtkwire.KickAll{PropagateKickAcrossRooms: true}),
			protocol.AcceptWaiting: marshal(users), protocol.DenyWaiting: marshal(users), protocol.UpdateUserPreset: marshal(update),
			protocol.GrantStageAccess: marshal(users), protocol.DenyStageAccess: marshal(users),
			protocol.SendMessageToPeers: marshal(&rtkwire.SendToPeers{PeerIds: a.Foreign.Peers, Payload: "psst"}),
		} {
			if err := s.mustBeRefused(ctx, "a viewer", event, payload); err != nil {
				return err
			}
		}
	}
	for _, id := range a.Foreign.Messages {
		for event, payload := range map[protocol.Event][]byte{
			protocol.EditMessage:   marshal(&rtkwire.EditMessage{ChatId: id, PayloadType: new(int32), Payload: &id}),
			protocol.DeleteMessage: marshal(&rtkwire.DeleteMessage{ChatId: id}),
		} {
			if err := s.mustBeRefused(ctx, "a viewer", event, payload); err != nil {
				return err
			}
		}
	}
	return nil
}
