package localca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"time"
)

const (
	authorityYears = 10

	// Clocks of a machine and of the containers and virtual machines on it
	// differ a little; a certificate is made valid from a little earlier on.
	clockSkew = time.Hour
)

// ensureAuthority loads the authority at path, or makes it if there is none.
func ensureAuthority(path string, at time.Time) (tls.Certificate, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = makeAuthority(path, at)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("load the authority: %w", err)
	}
	ca, err := tls.X509KeyPair(data, data)
	if err != nil {
		return tls.Certificate{}, mustDelete(path, err)
	}
	if err := checkAuthority(ca.Leaf, at); err != nil {
		return tls.Certificate{}, mustDelete(path, err)
	}
	return ca, nil
}

// makeAuthority makes an authority at path and returns the file's content: its
// own, or that of another process that was faster.
func makeAuthority(path string, at time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make its key: %w", err)
	}
	template, err := authorityTemplate(key, at)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make its certificate: %w", err)
	}
	data, err := encodePair(der, key)
	if err != nil {
		return nil, err
	}
	if err := createFile(path, data); errors.Is(err, fs.ErrExist) {
		return os.ReadFile(path)
	} else if err != nil {
		return nil, err
	}
	return data, nil
}

func authorityTemplate(key *ecdsa.PrivateKey, at time.Time) (*x509.Certificate, error) {
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("encode its public key: %w", err)
	}
	fingerprint := sha256.Sum256(public)
	return &x509.Certificate{
		// The fingerprint tells the authorities of several data folders apart
		// in a browser's list.
		Subject:               pkix.Name{CommonName: fmt.Sprintf("Parley local authority %x", fingerprint[:4])},
		SubjectKeyId:          fingerprint[:20],
		NotBefore:             at.Add(-clockSkew),
		NotAfter:              at.AddDate(authorityYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,

		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         permittedDomains(),
		PermittedIPRanges:           permittedRanges(),
	}, nil
}

// permittedDomains are the names the authority may vouch for; each includes
// what lies below it.
func permittedDomains() []string { return []string{"localhost"} }

// permittedRanges are the addresses the authority may vouch for: all of
// loopback.
func permittedRanges() []*net.IPNet {
	return []*net.IPNet{
		{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
		{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
	}
}

// checkAuthority refuses a certificate that Ensure would not have made. It
// keeps the promise that trusting CAFile means trusting localhost only, also
// when somebody put another authority's files into the folder.
func checkAuthority(cert *x509.Certificate, at time.Time) error {
	if err := cert.CheckSignatureFrom(cert); err != nil {
		return fmt.Errorf("it is damaged or no authority: %w", err)
	}
	if !constrained(cert) {
		return errors.New("this authority is not constrained to localhost")
	}
	if at.Before(cert.NotBefore) {
		return fmt.Errorf("this authority is valid from %s on and the clock says %s (is it right?)",
			cert.NotBefore.Format(time.RFC3339), at.UTC().Format(time.RFC3339))
	}
	if at.After(cert.NotAfter) {
		return fmt.Errorf("this authority expired at %s", cert.NotAfter.Format(time.RFC3339))
	}
	return nil
}

func constrained(cert *x509.Certificate) bool {
	sameRange := func(a, b *net.IPNet) bool { return a.String() == b.String() }
	return cert.MaxPathLen == 0 && cert.MaxPathLenZero &&
		cert.PermittedDNSDomainsCritical &&
		slices.Equal(cert.PermittedDNSDomains, permittedDomains()) &&
		slices.EqualFunc(cert.PermittedIPRanges, permittedRanges(), sameRange)
}

// publish keeps the copy of the authority's certificate that CAFile names. The
// copy is nobody's source, so a stale or damaged one is simply replaced.
func publish(path string, ca *x509.Certificate) error {
	want := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})
	have, err := os.ReadFile(path)
	if err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the authority's public copy: %w", err)
	}
	return replaceFile(path, want)
}
