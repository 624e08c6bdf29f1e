package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// settings are what the configuration file says: one JSON object with the
// names of the flags, as "public-url" or "public_url".
type settings map[string]any

// loadSettings reads the file.
func loadSettings(r io.Reader) (kong.Resolver, error) {
	var raw map[string]any
	decoder := json.NewDecoder(r)
	decoder.UseNumber()
	if err := decoder.Decode(&raw); err != nil {
		return nil, fmt.Errorf("the configuration file must be one JSON object: %w", err)
	}
	s := make(settings, len(raw))
	for name, value := range raw {
		s[strings.ReplaceAll(name, "_", "-")] = value
	}
	return s, nil
}

// Validate implements kong.Resolver: a setting that is no flag of any command
// is a mistake, and mistakes are told.
func (s settings) Validate(app *kong.Application) error {
	known := make(map[string]bool)
	for _, flag := range flagsOf(app.Node) {
		known[flag.Name] = true
	}
	for name := range s {
		if !known[name] {
			return fmt.Errorf("the configuration file sets %q, which is no flag", name)
		}
	}
	return nil
}

func flagsOf(node *kong.Node) []*kong.Flag {
	flags := slices.Clone(node.Flags)
	for _, child := range node.Children {
		flags = append(flags, flagsOf(child)...)
	}
	return flags
}

// Resolve implements kong.Resolver. What the environment says goes before the
// file; kong by itself has it the other way round.
func (s settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	value := s[flag.Name]
	if n, ok := value.(json.Number); ok {
		return n.String(), nil
	}
	return value, nil
}
