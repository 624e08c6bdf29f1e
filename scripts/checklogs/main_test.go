package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folder makes logs and secrets of a suite.
func folder(t *testing.T, log, secrets string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"socket/1.log": log, "secrets/1.txt": secrets} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	clean   = "time=1 level=DEBUG msg=\"a peer could not be taken in\" meeting=0b1e8a7c-9d0f-4a55-8a52-1f3f5b1f4c11 err=\"the context ended\"\n"
	planted = `"the eagle lands"` + "\n" + `"a\nb\"c d"` + "\n" + `"Äpfel ö"` + "\n"
)

func TestCleanLogsPass(t *testing.T) {
	if err := run(folder(t, clean, planted), []string{"socket"}, t.Output()); err != nil {
		t.Error(err)
	}
}

func TestPlantedSecretsAreFound(t *testing.T) {
	for name, line := range map[string]string{
		"a text":              `msg="refused: the eagle lands"`,
		"a text as it is":     `the eagle lands`,
		"a text within JSON":  `{"text":"the eagle lands"}`,
		"a quoted text":       `err="a\nb\"c d"`,
		"a text not in ASCII": `err="Äpfel ö"`,
		"a token":             "err=eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJ4In0.c2ln",
		"a token cut short":   "token=eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJ4In0",
		"an address":          "url=/ws?roomID=1&authToken=x",
		"an API token":        "parley_JGGKQTABKGWLASK7OEFTGKAZAXKSHZLOZV2KEBQW7TGUTEABYRKV",
		"a link":              "https://x.example/v1/files/1/a?exp=1&sig=abcdefghijklmnopqrstuvwxyz",
		"basic authorization": "Authorization: Basic YWxhZGRpbjpvcGVuc2VzYW1l",
		"a password of ICE":   "a=ice-pwd:abcdef",
		"a webhook's secret":  "whsec_abcdefghij",
		"a private key":       "-----BEGIN PRIVATE KEY-----",
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			err := run(folder(t, clean+"time=2 level=INFO "+line+"\n"+clean, planted), []string{"socket"}, &out)
			if err == nil || !strings.Contains(out.String(), "1.log:2: ") {
				t.Errorf("got %v, %q", err, out.String())
			}
		})
	}
}

func TestWordsThatHoldASecretAreNone(t *testing.T) {
	log := clean + "time=2 level=INFO breathe eagle landshark, the eagle landscape\n"
	if err := run(folder(t, log, `"the eagle lands"`+"\n"), []string{"socket"}, t.Output()); err != nil {
		t.Error(err)
	}
}

func TestNothingToCheckFails(t *testing.T) {
	for name, dir := range map[string]string{
		"no folder":       filepath.Join(t.TempDir(), "none"),
		"no secrets":      folder(t, clean, ""),
		"an empty log":    folder(t, "", planted),
		"no debug":        folder(t, "time=1 level=INFO msg=x\n", planted),
		"broken secrets":  folder(t, clean, "the eagle\n"),
		"no such suite":   folder(t, clean, planted) + "/..",
		"another's suite": filepath.Join(folder(t, clean, planted), "socket"),
	} {
		if err := run(dir, []string{"socket"}, t.Output()); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}
