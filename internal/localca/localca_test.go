package localca_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/localca"
)

const day = 24 * time.Hour

// start is the time at which most tests make their authority.
func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func ensure(t testing.TB, dir string, now time.Time) *localca.Authority {
	t.Helper()
	authority, err := localca.Ensure(dir, at(now))
	if err != nil {
		t.Fatalf("Ensure: %v", err)
	}
	return authority
}

func leaf(a *localca.Authority) *x509.Certificate { return a.TLSCertificate().Leaf }

// trusted is a pool that holds the file a user would put into a trust store.
func trusted(t testing.TB, a *localca.Authority) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(readFile(t, a.CAFile())) {
		t.Fatalf("%s holds no certificate", a.CAFile())
	}
	return pool
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// contents maps the names of all files in dir to what they hold.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, entry := range entries {
		files[entry.Name()] = string(readFile(t, filepath.Join(dir, entry.Name())))
	}
	return files
}

func TestEveryLocalhostNameIsAccepted(t *testing.T) {
	authority := ensure(t, t.TempDir(), start())
	pool := trusted(t, authority)
	for _, host := range []string{
		"localhost", "api.localhost", "socket-edge.localhost", "anything.localhost", "127.0.0.1", "::1",
	} {
		t.Run(host, func(t *testing.T) {
			here, there := net.Pipe()
			t.Cleanup(func() { here.Close(); there.Close() })
			go tls.Server(there, &tls.Config{
				Certificates: []tls.Certificate{authority.TLSCertificate()},
			}).Handshake() // ends with the pipe
			client := tls.Client(here, &tls.Config{ServerName: host, RootCAs: pool, Time: start})
			if err := client.HandshakeContext(t.Context()); err != nil {
				t.Errorf("handshake: %v", err)
			}
		})
	}
}

// Not every client accepts the wildcard, which hides in the test above whether
// the names are there.
func TestNamesOfTheOfficialSDKStandBesideTheWildcard(t *testing.T) {
	have := leaf(ensure(t, t.TempDir(), start())).DNSNames
	for _, want := range []string{
		"localhost", "*.localhost", "api.localhost", "socket-edge.localhost",
		"flags.localhost", "location.localhost", "location-legacy.localhost", "da-collector.localhost", "api-silos.localhost",
	} {
		if !slices.Contains(have, want) {
			t.Errorf("the certificate is for %v, not for %s", have, want)
		}
	}
}

func TestOtherNamesAreNotAccepted(t *testing.T) {
	authority := ensure(t, t.TempDir(), start())
	for _, host := range []string{"example.com", "localhost.example.com", "a.b.localhost", "127.0.0.2", "::2"} {
		_, err := leaf(authority).Verify(x509.VerifyOptions{
			DNSName: host, Roots: trusted(t, authority), CurrentTime: start(),
		})
		if err == nil {
			t.Errorf("the certificate is good for %s", host)
		}
	}
}

// issue signs a certificate for one host with the authority's own key, as a
// thief of the key would.
func issue(t testing.TB, dir, host string) *x509.Certificate {
	t.Helper()
	path := filepath.Join(dir, "authority.pem")
	ca, err := tls.LoadX509KeyPair(path, path)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: host},
		NotBefore:   start(),
		NotAfter:    start().Add(day),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	return sign(t, template, ca.Leaf, ca)
}

// sign makes a certificate with a key of its own that is thrown away.
func sign(t testing.TB, template, parent *x509.Certificate, by tls.Certificate) *x509.Certificate {
	t.Helper()
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestStolenKeyVouchesForLocalhostOnly(t *testing.T) {
	dir := t.TempDir()
	pool := trusted(t, ensure(t, dir, start()))
	for host, want := range map[string]bool{
		"localhost":             true,
		"other.localhost":       true,
		"127.9.9.9":             true,
		"::1":                   true,
		"example.com":           false,
		"notlocalhost":          false,
		"localhost.example.com": false,
		"10.0.0.1":              false,
		"128.0.0.1":             false,
		"::2":                   false,
		"fe80::1":               false,
	} {
		_, err := issue(t, dir, host).Verify(x509.VerifyOptions{DNSName: host, Roots: pool, CurrentTime: start()})
		if got := err == nil; got != want {
			t.Errorf("%s accepted: %t, want %t (%v)", host, got, want, err)
		}
	}
}

func TestAuthorityAndServerCertificateAreOfTheNarrowestKind(t *testing.T) {
	dir := t.TempDir()
	server := leaf(ensure(t, dir, start()))
	path := filepath.Join(dir, "authority.pem")
	pair, err := tls.LoadX509KeyPair(path, path)
	if err != nil {
		t.Fatal(err)
	}
	ca := pair.Leaf
	if !ca.MaxPathLenZero || ca.MaxPathLen != 0 {
		t.Error("the authority may have authorities below it")
	}
	if !ca.PermittedDNSDomainsCritical {
		t.Error("the name constraints are not critical")
	}
	if server.IsCA || server.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Error("the server's certificate can sign others")
	}
	for _, cert := range []*x509.Certificate{ca, server} {
		if !slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
			t.Errorf("%s is good for more than servers: %v", cert.Subject, cert.ExtKeyUsage)
		}
		if key, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
			t.Errorf("%s has no P-256 key", cert.Subject)
		}
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "ca")
	authority := ensure(t, dir, start())
	if runtime.GOOS != "windows" { // which has no such modes
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			want := fs.FileMode(0o600)
			if entry.IsDir() {
				want = 0o700
			}
			if info.Mode().Perm() != want {
				t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if bytes.Contains(readFile(t, authority.CAFile()), []byte("KEY")) {
		t.Error("the file to be handed out holds a key")
	}
}

func TestSecondStartFindsEverythingUnchanged(t *testing.T) {
	dir := t.TempDir()
	first := ensure(t, dir, start())
	before := contents(t, dir)
	second := ensure(t, dir, start().Add(100*day))
	if after := contents(t, dir); !maps.Equal(before, after) {
		t.Errorf("files changed: %v, then %v", names(before), names(after))
	}
	if len(before) != 3 {
		t.Errorf("the folder holds %v, want three files", names(before))
	}
	if !leaf(first).Equal(leaf(second)) {
		t.Error("the server's certificate changed")
	}
	if first.CAFile() != second.CAFile() || !filepath.IsAbs(first.CAFile()) {
		t.Errorf("CAFile is %q, then %q; want one absolute path", first.CAFile(), second.CAFile())
	}
}

func names(files map[string]string) []string { return slices.Sorted(maps.Keys(files)) }

func TestServerCertificateIsRenewedInItsLastThirtyDays(t *testing.T) {
	dir := t.TempDir()
	first := ensure(t, dir, start())
	if life := leaf(first).NotAfter.Sub(leaf(first).NotBefore) + time.Second; life != 397*day {
		t.Errorf("the certificate lives %v, want 397 days", life)
	}
	lastMoment := leaf(first).NotAfter.Add(-30 * day)
	if !leaf(ensure(t, dir, lastMoment)).Equal(leaf(first)) {
		t.Error("renewed although thirty days remain")
	}
	due := lastMoment.Add(time.Second)
	renewed := ensure(t, dir, due)
	if leaf(renewed).Equal(leaf(first)) {
		t.Fatal("not renewed although less than thirty days remain")
	}
	_, err := leaf(renewed).Verify(x509.VerifyOptions{
		DNSName: "localhost", Roots: trusted(t, first), CurrentTime: due.Add(365 * day),
	})
	if err != nil {
		t.Errorf("who trusted the authority does not trust the renewed certificate: %v", err)
	}
}

func TestServerCertificateIsRenewedWhenTheClockWasSetBack(t *testing.T) {
	dir := t.TempDir()
	ensure(t, dir, start())
	renewed := ensure(t, dir, start().Add(500*day))
	earlier := start().Add(100 * day)
	again := ensure(t, dir, earlier)
	if leaf(again).Equal(leaf(renewed)) || earlier.Before(leaf(again).NotBefore) {
		t.Errorf("at %v the certificate is valid from %v on", earlier, leaf(again).NotBefore)
	}
}

func TestDeletedAuthorityIsMadeAnewWithAllBelowIt(t *testing.T) {
	dir := t.TempDir()
	first := ensure(t, dir, start())
	old := trusted(t, first)
	if err := os.Remove(filepath.Join(dir, "authority.pem")); err != nil {
		t.Fatal(err)
	}
	second := ensure(t, dir, start())
	verify := func(pool *x509.CertPool) error {
		_, err := leaf(second).Verify(x509.VerifyOptions{DNSName: "localhost", Roots: pool, CurrentTime: start()})
		return err
	}
	if err := verify(trusted(t, second)); err != nil {
		t.Errorf("the new authority does not vouch for the server: %v", err)
	}
	if verify(old) == nil {
		t.Error("the old authority still vouches for the server")
	}
}

func TestLostCopiesAreMadeAgain(t *testing.T) {
	dir := t.TempDir()
	authority := ensure(t, dir, start())
	published := readFile(t, authority.CAFile())
	for name, spoil := range map[string]func() error{
		"missing": func() error { return os.Remove(authority.CAFile()) },
		"damaged": func() error { return os.WriteFile(authority.CAFile(), published[:100], 0o600) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		ensure(t, dir, start())
		if !bytes.Equal(readFile(t, authority.CAFile()), published) {
			t.Errorf("%s copy was not made again", name)
		}
	}
}

func TestServerCertificateDoesNotOutliveItsAuthority(t *testing.T) {
	dir := t.TempDir()
	authority := ensure(t, dir, start())
	block, _ := pem.Decode(readFile(t, authority.CAFile()))
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	late := ensure(t, dir, ca.NotAfter.Add(-10*day))
	if !leaf(late).NotAfter.Equal(ca.NotAfter) {
		t.Errorf("the server's certificate ends at %v, its authority at %v", leaf(late).NotAfter, ca.NotAfter)
	}
	if !leaf(ensure(t, dir, ca.NotAfter.Add(-9*day))).Equal(leaf(late)) {
		t.Error("renewed although nothing is gained by it")
	}
	wantError(t, dir, ca.NotAfter.Add(time.Second), "authority.pem", "expired")
	wantError(t, dir, ca.NotBefore.Add(-time.Second), "authority.pem", "clock")
}

// wantError expects Ensure to fail with a text that names the file to delete
// and has the given words, and to leave the folder as it was.
func wantError(t *testing.T, dir string, now time.Time, file string, words ...string) {
	t.Helper()
	before := contents(t, dir)
	_, err := localca.Ensure(dir, at(now))
	if err == nil {
		t.Fatal("Ensure accepted it")
	}
	for _, want := range append(words, filepath.Join(dir, file), "delete") {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error %q does not say %q", err, want)
		}
	}
	if after := contents(t, dir); !maps.Equal(before, after) {
		t.Errorf("a failed start changed the files: %v, then %v", names(before), names(after))
	}
}

// cutSignature spoils the last bytes of a PEM file's certificate, which belong
// to its signature.
func cutSignature(t *testing.T, data []byte) []byte {
	t.Helper()
	block, rest := pem.Decode(data)
	if block == nil {
		t.Fatal("no PEM")
	}
	block.Bytes[len(block.Bytes)-1] ^= 1
	return append(pem.EncodeToMemory(block), rest...)
}

func TestDamagedFileIsNamed(t *testing.T) {
	other := t.TempDir()
	ensure(t, other, start())
	for _, file := range []string{"authority.pem", "server.pem"} {
		for name, damage := range map[string]func(t *testing.T, data []byte) []byte{
			"empty":         func(*testing.T, []byte) []byte { return nil },
			"cut in half":   func(_ *testing.T, data []byte) []byte { return data[:len(data)/2] },
			"without a key": func(_ *testing.T, data []byte) []byte { return data[:bytes.Index(data, []byte("-----BEGIN PRIVATE"))] },
			"zeroed":        func(_ *testing.T, data []byte) []byte { return make([]byte, len(data)) },
			"bad signature": cutSignature,
			"foreign key": func(t *testing.T, data []byte) []byte {
				_, key := pem.Decode(readFile(t, filepath.Join(other, file)))
				_, own := pem.Decode(data)
				return append(bytes.TrimSuffix(data, own), key...)
			},
		} {
			t.Run(file+" "+name, func(t *testing.T) {
				dir := t.TempDir()
				ensure(t, dir, start())
				path := filepath.Join(dir, file)
				writeFile(t, path, damage(t, readFile(t, path)))
				wantError(t, dir, start(), file)

				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				ensure(t, dir, start())
			})
		}
	}
}

func TestForeignAuthorityIsRefused(t *testing.T) {
	constrained := func() *x509.Certificate {
		return &x509.Certificate{
			Subject:                     pkix.Name{CommonName: "Somebody's authority"},
			NotBefore:                   start(),
			NotAfter:                    start().Add(day),
			KeyUsage:                    x509.KeyUsageCertSign,
			BasicConstraintsValid:       true,
			IsCA:                        true,
			MaxPathLenZero:              true,
			PermittedDNSDomainsCritical: true,
			PermittedDNSDomains:         []string{"localhost"},
			PermittedIPRanges: []*net.IPNet{
				{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
				{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
			},
		}
	}
	ensureWith := func(t *testing.T, change func(*x509.Certificate)) string {
		t.Helper()
		dir := t.TempDir()
		template, key := constrained(), newKey(t)
		change(template)
		cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "authority.pem"), append(
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
			pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...))
		return dir
	}
	for name, change := range map[string]func(*x509.Certificate){
		"more names":          func(c *x509.Certificate) { c.PermittedDNSDomains = append(c.PermittedDNSDomains, "com") },
		"all addresses":       func(c *x509.Certificate) { c.PermittedIPRanges = nil },
		"optional":            func(c *x509.Certificate) { c.PermittedDNSDomainsCritical = false },
		"authorities below":   func(c *x509.Certificate) { c.MaxPathLenZero = false },
		"no authority at all": func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false },
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, ensureWith(t, change), start(), "authority.pem", "authority")
		})
	}
	t.Run("as narrow as ours", func(t *testing.T) {
		ensure(t, ensureWith(t, func(*x509.Certificate) {}), start())
	})
}

// ensureAtOnce calls Ensure many times at once, each with the clock that now
// gives for its number, and expects all to serve the authority that is on disk.
func ensureAtOnce(t *testing.T, dir string, now func(i int) time.Time) {
	t.Helper()
	var chains [16][][]byte
	var wg sync.WaitGroup
	for i := range chains {
		wg.Go(func() {
			authority, err := localca.Ensure(dir, at(now(i)))
			if err != nil {
				t.Errorf("Ensure: %v", err)
				return
			}
			chains[i] = authority.TLSCertificate().Certificate
		})
	}
	wg.Wait()
	block, _ := pem.Decode(readFile(t, filepath.Join(dir, "ca.crt")))
	for i, chain := range chains {
		if chain != nil && !bytes.Equal(chain[1], block.Bytes) {
			t.Errorf("start %d serves another authority than the one on disk", i)
		}
	}
	if files := names(contents(t, dir)); len(files) != 3 {
		t.Errorf("the folder holds %v, want three files", files)
	}
}

func TestConcurrentFirstStartsAgree(t *testing.T) {
	ensureAtOnce(t, t.TempDir(), func(int) time.Time { return start() })
}

func TestConcurrentRenewalsLeaveNoHalfFile(t *testing.T) {
	dir := t.TempDir()
	ensure(t, dir, start())
	ensureAtOnce(t, dir, func(i int) time.Time {
		return start().Add(time.Duration(i%2) * 380 * day) // some renew, some only read
	})
	ensure(t, dir, start())
}

func TestUnusableFolderIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca")
	writeFile(t, path, nil)
	_, err := localca.Ensure(path, at(start()))
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Ensure in a file: %v, want an error that names %s", err, path)
	}
}
