// Command cmd attacks a running server, for tests in a browser. It prints a
// line for each attack and fails when the server let something pass.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/parley-chat/parley/test/hostile"
)

// order is what standard input holds, as JSON.
type order struct {
	// Only is a regular expression for names of attacks. Default: all.
	Only string `json:"only"`
	// Tokens are the attacker's, taken in turn, one for each attack.
	Tokens []string `json:"tokens"`
	Target hostile.Target
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	only, err := regexp.Compile(o.Only)
	if err != nil {
		return err
	}
	if len(o.Tokens) == 0 {
		return errors.New("the attacker has no token")
	}
	var errs []error
	n := 0
	for _, attack := range hostile.Attacks() {
		if !only.MatchString(attack.Name) {
			continue
		}
		o.Target.Token = o.Tokens[n%len(o.Tokens)]
		n++
		if err := play(attack, o.Target, out); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", attack.Name, err))
		}
	}
	if n == 0 {
		return errors.New("there is no such attack")
	}
	return errors.Join(errs...)
}

func play(attack hostile.Attack, target hostile.Target, out io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a := hostile.New(target)
	defer a.Close()
	began := time.Now()
	err := attack.Run(ctx, a)
	if leaks := a.Leaks(); len(leaks) > 0 {
		err = errors.Join(err, fmt.Errorf("the attacker was told %q", leaks))
	}
	fmt.Fprintf(out, "%s: %v\n", attack.Name, time.Since(began).Round(time.Millisecond))
	return err
}
