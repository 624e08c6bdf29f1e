// Package localca gives a server on the developer's own machine a certificate
// that browsers can be made to accept: a small certificate authority, made once
// and kept in a folder, and under it a certificate for the localhost names.
//
// The authority cannot vouch for anything else. Its own certificate carries
// critical name constraints (RFC 5280, 4.2.1.10), so whoever steals the key can
// impersonate localhost to the one person who trusted it, and nobody to anyone
// else.
//
// It is not for servers that others reach, and it never touches the trust store
// of the system or of a browser: trusting CAFile is the user's own act.
package localca

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"time"
)

// The files of an authority's folder. A key and its certificate are always one
// file, so that no crash and no second process can pair a key with the wrong
// certificate.
const (
	authorityFile = "authority.pem" // the authority's certificate and key
	serverFile    = "server.pem"    // the server's certificate and key
	publicFile    = "ca.crt"        // a copy of the authority's certificate, to be handed out
)

// Authority is a local certificate authority with the server certificate it
// issued. It does not change once Ensure has returned it and may be used
// concurrently.
type Authority struct {
	dir    string
	server tls.Certificate
}

// Ensure returns the authority kept in dir, and makes what is missing: the
// folder (mode 0700), the authority (valid for ten years) and the server's
// certificate (valid for 397 days at most; all files have mode 0600). What is
// there already is left as it is, but the server's certificate is made anew
// when it has less than 30 days to live, was issued by another authority, or
// does not name the hosts this version serves. So a process may run for 30
// days on what it got before it has to call Ensure again.
//
// A file that is damaged, or an authority that is not constrained to localhost
// or has expired, is an error that says which file to delete; Ensure replaces
// no authority by itself, because somebody may have chosen to trust it.
//
// now is the clock. Concurrent calls for one folder, also from several
// processes, all return the same authority and never read a half-written file.
func Ensure(dir string, now func() time.Time) (*Authority, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("localca: find the folder: %w", err)
	}
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("localca: make the folder: %w", err)
	}
	at := now()
	ca, err := ensureAuthority(filepath.Join(dir, authorityFile), at)
	if err != nil {
		return nil, fmt.Errorf("localca: %w", err)
	}
	if err := publish(filepath.Join(dir, publicFile), ca.Leaf); err != nil {
		return nil, fmt.Errorf("localca: %w", err)
	}
	server, err := ensureServer(filepath.Join(dir, serverFile), ca, at)
	if err != nil {
		return nil, fmt.Errorf("localca: %w", err)
	}
	// The chain includes the authority, which TLS would let us leave out, so
	// that a client can be told to accept the authority's public key instead of
	// the server's, which changes at every renewal (Chromium's
	// --ignore-certificate-errors-spki-list looks at the presented chain).
	server.Certificate = append(server.Certificate, ca.Certificate[0])
	return &Authority{dir: dir, server: server}, nil
}

// TLSCertificate returns the server's certificate with its key and chain, good
// for localhost, api.localhost, socket-edge.localhost, 127.0.0.1 and ::1, and
// for every other *.localhost with clients that accept such a wildcard
// (Chromium and OpenSSL do not).
func (a *Authority) TLSCertificate() tls.Certificate { return a.server }

// CAFile returns the absolute path of the authority's certificate in PEM: the
// file for a browser's trust store, curl's --cacert or NODE_EXTRA_CA_CERTS. It
// holds no key.
func (a *Authority) CAFile() string { return filepath.Join(a.dir, publicFile) }

// mustDelete is the error about a file that only its owner can put right.
func mustDelete(path string, cause error) error {
	return fmt.Errorf("cannot use %s: %w; delete this file to have a new one made", path, cause)
}
