package ice

import (
	"errors"
	"regexp"
	"testing"
)

var (
	testSecret  = []byte("a secret that only tests know")
	otherSecret = []byte("a secret of another cluster")
)

// fixedCredentials are the same in every run, for golden files and fuzzing.
func fixedCredentials() Credentials {
	return newSigner(testSecret).mint([nonceBytes]byte{1, 2, 3, 4, 5, 6, 7, 8, 9})
}

// offline is a responder for tests that need no socket. It believes that it
// listens by UDP.
func offline(t testing.TB, cfg Config) *Responder {
	t.Helper()
	if cfg.Secret == nil {
		cfg.Secret = testSecret
	}
	return onSocket(t, cfg, nil)
}

func TestCredentialsAreFreshAndOfIceChars(t *testing.T) {
	r := offline(t, Config{})
	ufrag := regexp.MustCompile(`^[A-Za-z0-9+/]{20}$`)
	pwd := regexp.MustCompile(`^[A-Za-z0-9+/]{32}$`)
	seen := make(map[string]bool)
	for range 1000 {
		creds := r.NewCredentials()
		if !ufrag.MatchString(creds.Ufrag) || !pwd.MatchString(creds.Pwd) {
			t.Fatalf("not ice-chars of the promised length: %+v", creds)
		}
		if seen[creds.Ufrag] || seen[creds.Pwd] {
			t.Fatalf("minted twice: %+v", creds)
		}
		seen[creds.Ufrag], seen[creds.Pwd] = true, true
	}
}

// Open pages hold credentials across restarts and upgrades, and nodes of
// different versions answer for each other.
func TestCredentialsNeverChangeForASecret(t *testing.T) {
	want := Credentials{Ufrag: "AQIDBAUGBwgJQr7o450X", Pwd: "mAkn65s/i1FdvTvfTA/9SIblaVN285E5"}
	if got := fixedCredentials(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestCredentialsHoldOnEveryNodeWithTheSecret(t *testing.T) {
	creds := offline(t, Config{}).NewCredentials()
	if _, err := offline(t, Config{}).Answer(smallOffer, creds); err != nil {
		t.Errorf("a node with the same secret: %v", err)
	}
	_, err := offline(t, Config{Secret: otherSecret}).Answer(smallOffer, creds)
	if !errors.Is(err, ErrCredentials) {
		t.Errorf("a node with another secret: got %v, want ErrCredentials", err)
	}
}

func TestForgedCredentialsAreRefused(t *testing.T) {
	good := fixedCredentials()
	for name, creds := range map[string]Credentials{
		"none":             {},
		"no password":      {Ufrag: good.Ufrag},
		"other password":   {Ufrag: good.Ufrag, Pwd: "x" + good.Pwd[1:]},
		"other nonce":      {Ufrag: "x" + good.Ufrag[1:], Pwd: good.Pwd},
		"other tag":        {Ufrag: good.Ufrag[:ufragChars-1] + "x", Pwd: good.Pwd},
		"longer ufrag":     {Ufrag: good.Ufrag + "AAAA", Pwd: good.Pwd},
		"line in ufrag":    {Ufrag: good.Ufrag[:18] + "\r\n", Pwd: good.Pwd},
		"line in password": {Ufrag: good.Ufrag, Pwd: good.Pwd + "\r\na=ice-options:x"},
	} {
		if answer, err := offline(t, Config{}).Answer(smallOffer, creds); !errors.Is(err, ErrCredentials) || answer != "" {
			t.Errorf("%s: got %q, %v; want ErrCredentials", name, answer, err)
		}
	}
}
