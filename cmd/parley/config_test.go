package main

import (
	"os"
	"path/filepath"
	"testing"
)

// parse parses a command line with a configuration file.
func parse(t *testing.T, file string, args ...string) (cli, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "parley.json")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	var c cli
	_, err := newParser(&c).Parse(append([]string{"serve", "--config", path}, args...))
	return c, err
}

const file = `{"data": "from-file", "public_url": "https://file.example", "message-rate": 1.5, "ice_advertise": ["192.0.2.1:3478"]}`

func TestSettingsComeFromTheFile(t *testing.T) {
	c, err := parse(t, file)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(c.Serve.Data) != "from-file" || c.Serve.PublicURL != "https://file.example" || c.Serve.MessageRate != 1.5 ||
		len(c.Serve.ICEAdvertise) != 1 || c.Serve.ICEAdvertise[0].String() != "192.0.2.1:3478" {
		t.Errorf("got %+v", c.Serve)
	}
}

func TestEnvironmentBeatsTheFileAndFlagsBeatBoth(t *testing.T) {
	t.Setenv("PARLEY_PUBLIC_URL", "https://env.example")
	t.Setenv("PARLEY_MESSAGE_RATE", "2.5")
	c, err := parse(t, file, "--message-rate", "3.5")
	if err != nil {
		t.Fatal(err)
	}
	if c.Serve.PublicURL != "https://env.example" {
		t.Errorf("public URL %q, want the environment's", c.Serve.PublicURL)
	}
	if c.Serve.MessageRate != 3.5 {
		t.Errorf("message rate %v, want the flag's", c.Serve.MessageRate)
	}
}

func TestMistakesInTheFileAreTold(t *testing.T) {
	for name, file := range map[string]string{
		"unknown setting": `{"data": "d", "public_url": "https://x.example", "datta": 1}`,
		"not an object":   `["data"]`,
		"not JSON":        `data = d`,
		"wrong type":      `{"data": "d", "public_url": "https://x.example", "message-rate": "fast"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parse(t, file); err == nil {
				t.Error("nothing was said")
			}
		})
	}
}
