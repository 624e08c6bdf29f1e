package localca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"time"
)

const (
	// serverLifetime is what browsers accept at most from public authorities
	// (398 days), less one day; some hold local ones to it too. A certificate's
	// last second belongs to its validity (RFC 5280, 4.1.2.5).
	serverLifetime = 397*24*time.Hour - time.Second

	renewBefore = 30 * 24 * time.Hour
)

// serverNames are the DNS names of the server. All that official SDKs derive
// from their base address stand beside the wildcard because Chromium and
// OpenSSL refuse a wildcard directly below a top-level domain.
func serverNames() []string {
	return []string{
		"localhost", "*.localhost", "api.localhost", "socket-edge.localhost",
		"flags.localhost", "location.localhost", "location-legacy.localhost", "da-collector.localhost", "api-silos.localhost",
	}
}

func serverAddresses() []net.IP {
	return []net.IP{net.IPv4(127, 0, 0, 1).To4(), net.IPv6loopback}
}

// ensureServer loads the server's certificate at path, or makes one if there is
// none or it is due.
func ensureServer(path string, ca tls.Certificate, at time.Time) (tls.Certificate, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeServer(path, ca, at)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read the server's certificate: %w", err)
	}
	server, err := tls.X509KeyPair(data, data)
	if err != nil {
		return tls.Certificate{}, mustDelete(path, err)
	}
	if due(server.Leaf, ca.Leaf, at) {
		return makeServer(path, ca, at)
	}
	if err := server.Leaf.CheckSignatureFrom(ca.Leaf); err != nil {
		return tls.Certificate{}, mustDelete(path, fmt.Errorf("it is damaged: %w", err))
	}
	return server, nil
}

// due tells whether a sound certificate has to be replaced nevertheless.
func due(server, ca *x509.Certificate, at time.Time) bool {
	otherAuthority := !bytes.Equal(server.AuthorityKeyId, ca.SubjectKeyId)
	otherHosts := !slices.Equal(server.DNSNames, serverNames()) ||
		!slices.EqualFunc(server.IPAddresses, serverAddresses(), net.IP.Equal)
	// One that ends with its authority cannot be replaced by a longer one.
	expiring := server.NotAfter.Sub(at) < renewBefore && server.NotAfter.Before(ca.NotAfter)
	return otherAuthority || otherHosts || expiring || at.Before(server.NotBefore)
}

func makeServer(path string, ca tls.Certificate, at time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the server's key: %w", err)
	}
	template := serverTemplate(ca.Leaf, at)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Leaf, key.Public(), ca.PrivateKey)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the server's certificate: %w", err)
	}
	data, err := encodePair(der, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := replaceFile(path, data); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(data, data)
}

// serverTemplate describes the server's certificate, which never outlives its
// authority at either end.
func serverTemplate(ca *x509.Certificate, at time.Time) *x509.Certificate {
	from := at.Add(-clockSkew)
	if from.Before(ca.NotBefore) {
		from = ca.NotBefore
	}
	until := from.Add(serverLifetime)
	if until.After(ca.NotAfter) {
		until = ca.NotAfter
	}
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Parley on localhost"},
		NotBefore:             from,
		NotAfter:              until,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              serverNames(),
		IPAddresses:           serverAddresses(),
	}
}
