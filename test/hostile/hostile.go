// Package hostile attacks a Parley server as a participant who means harm, or
// as somebody who is none: it speaks the protocol directly, byte by byte where
// need be, and keeps no rule. Each attack is bounded in what it sends and in
// time. It leaves its connections open, for others to see how the server fares
// meanwhile, until Close.
//
// What the server owes to everybody else is not checked here but by who runs
// the attacks: the tests of this package, and a browser's in web/e2e.
package hostile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/gofrs/uuid/v5"

	"github.com/parley-chat/parley/test/raw"
)

// Target is what is attacked, and what the attacker knows.
type Target struct {
	// Addr is host and port of the server's plain http.
	Addr string
	// Meeting is the attacker's.
	Meeting string
	// Token is the attacker's own, who may chat; Viewer is that of an
	// accomplice who may do nothing but look on.
	Token, Viewer string
	// Foreign is what it has heard of and has no right to.
	Foreign Foreign
}

// Foreign are ids of others, and things of theirs.
type Foreign struct {
	// Peers are of others in the same meeting; Participants, Messages and
	// Meetings from anywhere.
	Peers, Participants, Messages, Meetings []string
	// Links lead to files of others, by which they may be read and put.
	Links []string
	// Tokens must let nobody into the meeting: expired, of other meetings.
	Tokens map[string]string
	// Secrets are texts that the attacker may never be sent.
	Secrets []string
}

// all lists the ids.
func (f Foreign) all() []string {
	var ids []string
	for _, list := range [][]string{f.Peers, f.Participants, f.Messages, f.Meetings} {
		ids = append(ids, list...)
	}
	return ids
}

// Attack is one way to do harm.
type Attack struct {
	Name string
	// Run does it. Its error says that the server let something pass, or that
	// the attack could not be carried out.
	Run func(context.Context, *Attacker) error
}

// Attacks are all of them. They share nothing.
func Attacks() []Attack {
	var all []Attack
	for _, some := range [][]Attack{socketAttacks, protobufAttacks, fieldAttacks, identityAttacks, payloadAttacks, floodAttacks, webAttacks} {
		all = append(all, some...)
	}
	return all
}

// Attacker is who attacks, once. Make it with New.
type Attacker struct {
	Target

	mu    sync.Mutex
	conns []net.Conn
	leaks []string
	sent  int // bytes of what it was sent
	reads sync.WaitGroup
}

// New makes an attacker.
func New(target Target) *Attacker { return &Attacker{Target: target} }

// Close hangs up everywhere, without a word.
func (a *Attacker) Close() {
	a.mu.Lock()
	for _, c := range a.conns {
		_ = c.Close()
	}
	a.conns = nil
	a.mu.Unlock()
	a.reads.Wait()
}

// Leaks are the secrets that the attacker was sent.
func (a *Attacker) Leaks() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.leaks
}

// Heard tells how many bytes the attacker has read on its sockets.
func (a *Attacker) Heard() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sent
}

// keep remembers a connection, to be closed.
func (a *Attacker) keep(c net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns = append(a.conns, c)
}

// hear looks for secrets.
func (a *Attacker) hear(data []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent += len(data)
	for _, secret := range a.Foreign.Secrets {
		if bytes.Contains(data, []byte(secret)) {
			a.leaks = append(a.leaks, secret)
		}
	}
}

// connect opens a connection and says nothing yet.
func (a *Attacker) connect(ctx context.Context) (*raw.Conn, error) {
	c, err := raw.Connect(ctx, a.Addr)
	if err != nil {
		return nil, err
	}
	a.keep(c)
	return c, nil
}

// dial opens a socket with any query.
func (a *Attacker) dial(ctx context.Context, query string) (*raw.Conn, error) {
	c, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.Handshake(raw.Upgrade("/ws?"+query) + "\r\n"); err != nil {
		return nil, err
	}
	return c, nil
}

// mustRefuse demands that a socket is refused by an HTTP status from 400 to
// 499.
func (a *Attacker) mustRefuse(ctx context.Context, what, query string) error {
	c, err := a.dial(ctx, query)
	status, ok := errors.AsType[raw.StatusError](err)
	switch {
	case err == nil:
		_ = c.Close()
		return fmt.Errorf("%s: the server let it in", what)
	case !ok:
		return fmt.Errorf("%s: %w", what, err)
	case status < 400 || status > 499:
		return fmt.Errorf("%s: %w", what, status)
	}
	return nil
}

func newID() string { return uuid.Must(uuid.NewV4()).String() }
