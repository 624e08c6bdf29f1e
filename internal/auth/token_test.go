package auth_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/uuid/v5"
	"github.com/golang-jwt/jwt/v5"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
)

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 500e6, time.UTC) }

func tokensAt(now time.Time) auth.Tokens {
	return auth.Tokens{Key: []byte("0123456789abcdef0123456789abcdef"), Now: func() time.Time { return now }}
}

func someone(tb testing.TB) (auth.Identity, chat.PresetID) {
	tb.Helper()
	ids := make([]string, 4)
	for i := range ids {
		id, err := uuid.NewV4()
		if err != nil {
			tb.Fatal(err)
		}
		ids[i] = id.String()
	}
	who := auth.Identity{App: chat.AppID(ids[0]), Meeting: chat.MeetingID(ids[1]), Participant: chat.ParticipantID(ids[2])}
	return who, chat.PresetID(ids[3])
}

func mint(tb testing.TB, tokens auth.Tokens, who auth.Identity, preset chat.PresetID) string {
	tb.Helper()
	token, err := tokens.Mint(who, preset)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// payloadOf decodes the payload as official clients do: as plain base64.
func payloadOf(tb testing.TB, token string) map[string]any {
	tb.Helper()
	raw, err := base64.RawStdEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		tb.Fatalf("an official client could not decode the payload: %v", err)
	}
	var payload map[string]any
	if err := json.Unmarshal(raw, &payload); err != nil {
		tb.Fatal(err)
	}
	return payload
}

func TestTokenNamesItsParticipant(t *testing.T) {
	tokens := tokensAt(start())
	who, preset := someone(t)
	token := mint(t, tokens, who, preset)
	got, err := tokens.Verify(token)
	if err != nil || got != who {
		t.Errorf("verified as %+v, %v; want %+v", got, err, who)
	}
	if !strings.HasPrefix(token, "eyJ") {
		t.Error("official clients want a token that begins with eyJ")
	}
	payload := payloadOf(t, token)
	for claim, want := range map[string]any{
		"orgId": string(who.App), "meetingId": string(who.Meeting), "participantId": string(who.Participant),
		"presetId": string(preset), "iat": float64(start().Unix()), "exp": float64(start().Add(100 * 24 * time.Hour).Unix()),
	} {
		if payload[claim] != want {
			t.Errorf("claim %s is %v, want %v", claim, payload[claim], want)
		}
	}
}

func TestTokensOfOneSecondDiffer(t *testing.T) {
	tokens := tokensAt(start())
	who, preset := someone(t)
	first, second := mint(t, tokens, who, preset), mint(t, tokens, who, preset)
	if first == second {
		t.Error("two tokens are equal")
	}
	if _, err := tokens.Verify(first); err != nil {
		t.Errorf("the first is no longer good: %v", err)
	}
}

func TestOfficialClientsDecodeEveryToken(t *testing.T) {
	for i := range 5000 {
		who, preset := someone(t)
		tokens := tokensAt(start().Add(time.Duration(i) * 7919 * time.Second))
		if payload := payloadOf(t, mint(t, tokens, who, preset)); payload["participantId"] != string(who.Participant) {
			t.Fatal("another participant is in the payload")
		}
	}
}

// A '~' or a '?' encodes to '-' or '_' at one place in three.
func TestIDsThatEncodeBadlyAreMovedUntilTheyDoNot(t *testing.T) {
	tokens := tokensAt(start())
	for pad := range 3 {
		for _, bad := range []string{"~", "?"} {
			who, preset := someone(t)
			who.App = chat.AppID(strings.Repeat("a", pad) + bad)
			token := mint(t, tokens, who, preset)
			if got := payloadOf(t, token)["orgId"]; got != string(who.App) {
				t.Errorf("orgId is %v, want %s", got, who.App)
			}
		}
	}
}

func TestIDsThatCannotBeMovedAreRefused(t *testing.T) {
	who, preset := someone(t)
	who.App = "~~~"
	if token, err := tokensAt(start()).Mint(who, preset); err == nil {
		t.Errorf("made %d bytes of token that no official client can decode", len(token))
	}
}

func TestMintWantsAllIDsAndAFullKey(t *testing.T) {
	who, preset := someone(t)
	tokens := tokensAt(start())
	if _, err := tokens.Mint(auth.Identity{App: who.App, Meeting: who.Meeting}, preset); err == nil {
		t.Error("made a token for nobody")
	}
	if _, err := tokens.Mint(who, ""); err == nil {
		t.Error("made a token without a preset")
	}
	short := auth.Tokens{Key: tokens.Key[:31]}
	if _, err := short.Mint(who, preset); err == nil {
		t.Error("made a token with a short key")
	}
	if _, err := (auth.Tokens{}).Verify(mint(t, tokens, who, preset)); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("verified without a key: %v", err)
	}
}

func TestTokenIsGoodForAHundredDays(t *testing.T) {
	who, preset := someone(t)
	token := mint(t, tokensAt(start()), who, preset)
	expiry := start().Truncate(time.Second).Add(100 * 24 * time.Hour)
	if _, err := tokensAt(expiry.Add(-time.Second)).Verify(token); err != nil {
		t.Errorf("a second before it expires: %v", err)
	}
	if _, err := tokensAt(expiry.Add(time.Second)).Verify(token); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("a second after it expired: %v", err)
	}
	if _, err := tokensAt(start().Add(-time.Hour)).Verify(token); err != nil {
		t.Errorf("after the clock stepped back: %v", err)
	}
}

// signed makes a token with the header, payload and signature wished for.
func signed(tb testing.TB, header, payload map[string]any, sign func(string) []byte) string {
	tb.Helper()
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			tb.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	text := part(header) + "." + part(payload)
	return text + "." + base64.RawURLEncoding.EncodeToString(sign(text))
}

func hs256(key []byte) func(string) []byte {
	return func(text string) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
}

func goodPayload() map[string]any {
	return map[string]any{
		"jti": "n", "orgId": "a", "meetingId": "m", "participantId": "p", "presetId": "r",
		"iat": start().Unix(), "exp": start().Add(time.Hour).Unix(),
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	tokens := tokensAt(start())
	header := map[string]any{"alg": "HS256", "typ": "JWT"}
	good := signed(t, header, goodPayload(), hs256(tokens.Key))
	if _, err := tokens.Verify(good); err != nil {
		t.Fatalf("the token that the others vary is refused: %v", err)
	}
	parts := strings.Split(good, ".")
	alg := func(name string) map[string]any { return map[string]any{"alg": name, "typ": "JWT"} }
	hs512 := func(text string) []byte {
		sig, err := jwt.SigningMethodHS512.Sign(text, tokens.Key)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	for what, token := range map[string]string{
		"empty":                   "",
		"garbage":                 "eyJ.eyJ.eyJ",
		"two parts":               parts[0] + "." + parts[1],
		"no signature":            parts[0] + "." + parts[1] + ".",
		"four parts":              good + ".a",
		"cut signature":           good[:len(good)-1],
		"padded":                  good + "=",
		"other spelling":          respelled(good),
		"space":                   " " + good,
		"other key":               signed(t, header, goodPayload(), hs256([]byte("another key of thirty-two bytes.."))),
		"alg none":                signed(t, alg("none"), goodPayload(), func(string) []byte { return nil }),
		"alg None, signed":        signed(t, alg("None"), goodPayload(), hs256(tokens.Key)),
		"alg HS512":               signed(t, alg("HS512"), goodPayload(), hs512),
		"alg RS256":               signed(t, alg("RS256"), goodPayload(), hs256(tokens.Key)),
		"alg in another case":     signed(t, alg("hs256"), goodPayload(), hs256(tokens.Key)),
		"alg missing":             signed(t, map[string]any{"typ": "JWT"}, goodPayload(), hs256(tokens.Key)),
		"another payload":         parts[0] + "." + strings.Split(signed(t, header, map[string]any{"orgId": "b"}, hs256(nil)), ".")[1] + "." + parts[2],
		"payload is not JSON":     parts[0] + ".eyJ." + parts[2],
		"long":                    good + strings.Repeat("A", auth.MaxToken),
		"payload is a JSON array": signedRaw(tokens.Key, `[]`),
	} {
		if who, err := tokens.Verify(token); !errors.Is(err, auth.ErrUnauthorized) || who != (auth.Identity{}) {
			t.Errorf("%s: %+v, %v; want ErrUnauthorized", what, who, err)
		}
	}
}

// respelled changes bits of the last letter that mean nothing.
func respelled(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[last^1])
}

func signedRaw(key []byte, payload string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	return text + "." + base64.RawURLEncoding.EncodeToString(hs256(key)(text))
}

// Decoders of base64 skip line breaks: the same token would have many forms.
func TestTokenHasOneForm(t *testing.T) {
	who, preset := someone(t)
	tokens := tokensAt(start())
	token := mint(t, tokens, who, preset)
	for _, other := range []string{token + "\n", token + "\r", "\n" + token, token[:len(token)-5] + "\r\n" + token[len(token)-5:], token + "=", token + " "} {
		if _, err := tokens.Verify(other); !errors.Is(err, auth.ErrUnauthorized) {
			t.Errorf("%q is good, too: %v", other, err)
		}
	}
}

func TestTokenWithoutAClaimIsRefused(t *testing.T) {
	tokens := tokensAt(start())
	header := map[string]any{"alg": "HS256", "typ": "JWT"}
	for _, claim := range []string{"orgId", "meetingId", "participantId", "presetId", "iat", "exp"} {
		for what, change := range map[string]func(map[string]any){
			"missing": func(p map[string]any) { delete(p, claim) },
			"null":    func(p map[string]any) { p[claim] = nil },
			"object":  func(p map[string]any) { p[claim] = map[string]any{} },
		} {
			payload := maps.Clone(goodPayload())
			change(payload)
			token := signed(t, header, payload, hs256(tokens.Key))
			if _, err := tokens.Verify(token); !errors.Is(err, auth.ErrUnauthorized) {
				t.Errorf("%s %s: %v, want ErrUnauthorized", claim, what, err)
			}
		}
	}
}

func TestReasonsDoNotQuoteTheToken(t *testing.T) {
	tokens := tokensAt(start())
	for _, token := range []string{"hunter2", "hunter2.hunter2.hunter2", signedRaw(tokens.Key, `{"orgId":hunter2}`)} {
		if _, err := tokens.Verify(token); err == nil || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("the error is %q", err)
		}
	}
}

func TestRSATokenIsRefused(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims(goodPayload())).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tokensAt(start()).Verify(token); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("verified an RSA token: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	tokens := tokensAt(start())
	who, preset := someone(f)
	good := mint(f, tokens, who, preset)
	for _, seed := range []string{
		good, good[:len(good)-2], "", "..", "eyJ.eyJ.eyJ", strings.Replace(good, ".", "..", 1),
		signedRaw(tokens.Key, `{"orgId":"a","meetingId":"m","participantId":"p","presetId":"r","iat":1e300,"exp":1e300}`),
		signedRaw(tokens.Key, `{"exp":"1"}`),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		got, err := tokens.Verify(token)
		if err != nil {
			if !errors.Is(err, auth.ErrUnauthorized) || got != (auth.Identity{}) {
				t.Errorf("%+v, %v; want nobody and ErrUnauthorized", got, err)
			}
			return
		}
		parts := strings.Split(token, ".")
		if len(parts) != 3 || parts[2] != base64.RawURLEncoding.EncodeToString(hs256(tokens.Key)(parts[0]+"."+parts[1])) {
			t.Errorf("a token is good that this key has not signed")
		}
	})
}
