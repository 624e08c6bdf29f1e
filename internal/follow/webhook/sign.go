package webhook

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// keyBits is the size of the signing key.
const keyBits = 2048

// Signer signs the bodies of deliveries with the server's RSA key: RSASSA-
// PKCS1-v1_5 over SHA-256 of the raw bytes, in standard base64, as receivers of
// the official product check it. Make it with NewSigner; it is safe for
// concurrent use.
type Signer struct {
	load func(context.Context) ([]byte, error)

	mu   sync.Mutex
	pair *keyPair // nil until the key is first needed
}

// keyPair is the key, and the answer that tells its public half.
type keyPair struct {
	key    *rsa.PrivateKey
	public []byte
}

// NewSigningKey makes a key, to be kept by the caller.
func NewSigningKey() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	return x509.MarshalPKCS1PrivateKey(key), nil
}

// NewSigner makes a signer with a key of NewSigningKey. The key is loaded when
// it is first needed, because making one takes a while.
func NewSigner(load func(context.Context) ([]byte, error)) *Signer { return &Signer{load: load} }

func (s *Signer) keys(ctx context.Context) (*keyPair, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pair != nil {
		return s.pair, nil
	}
	raw, err := s.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("loading the signing key of webhooks: %w", err)
	}
	s.pair, err = newKeyPair(raw)
	return s.pair, err
}

func newKeyPair(raw []byte) (*keyPair, error) {
	key, err := x509.ParsePKCS1PrivateKey(raw)
	if err != nil {
		return nil, errors.New("the signing key of webhooks cannot be read")
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encoding the public key of webhooks: %w", err)
	}
	var answer struct {
		Success bool `json:"success"`
		Data    struct {
			PublicKey string `json:"publicKey"`
		} `json:"data"`
		Message string `json:"message"`
	}
	answer.Success = true
	answer.Data.PublicKey = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	public, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("encoding the public key of webhooks: %w", err)
	}
	return &keyPair{key: key, public: public}, nil
}

// Sign gives the signature of a body.
func (s *Signer) Sign(ctx context.Context, body []byte) (string, error) {
	keys, err := s.keys(ctx)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(body)
	signature, err := rsa.SignPKCS1v15(nil, keys.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("signing the body of a webhook: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// KeyPath is where receivers find the public key.
const KeyPath = "/.well-known/webhooks.json"

// ServeHTTP tells the public key, to everybody.
func (s *Signer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	keys, err := s.keys(r.Context())
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"success":false,"message":"the key cannot be read now"}`))
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(keys.public)
}
