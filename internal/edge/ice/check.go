package ice

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/pion/stun/v3"
)

const (
	// maxDatagram is the longest datagram that is looked at, in bytes.
	maxDatagram = 1500

	stunHeader      = 20
	stunCookie      = 0x2112a442
	bindingRequest  = 0x0001
	integritySize   = 20
	fingerprintSize = 4

	// What a client's own ufrag may measure (RFC 8839, 5.4).
	minTheirUfrag = 4
	maxTheirUfrag = 256
)

// checker answers connectivity checks. It knows messages, not sockets: they are
// the same over UDP and TCP. It reuses its buffers: one goroutine at a time.
type checker struct {
	signer   *signer
	request  *stun.Message
	response *stun.Message
	ip       [16]byte
}

func newChecker(secret []byte) *checker {
	return &checker{signer: newSigner(secret), request: stun.New(), response: stun.New()}
}

// answer returns the response to a connectivity check, good until the next
// call, or nil for everything that deserves none: what is no binding request,
// is addressed to a ufrag that was never minted, or is not signed with its
// password. RFC 8489, 6.3.1 would rather have errors sent for some of these;
// silence keeps the endpoint of no use to those who forge sources. For the same
// reason an answer is never longer than its request.
func (c *checker) answer(datagram []byte, from netip.AddrPort) []byte {
	if !looksLikeCheck(datagram) {
		return nil
	}
	// A copy, because verifying writes into the message.
	c.request.Raw = append(c.request.Raw[:0], datagram...)
	if c.request.Decode() != nil {
		return nil
	}
	username, ok := signedUsername(c.request.Attributes)
	if !ok || stun.Fingerprint.Check(c.request) != nil {
		return nil
	}
	ufrag, ok := ourUfrag(username)
	if !ok || !c.signer.knows(ufrag) {
		return nil
	}
	password := stun.MessageIntegrity(c.signer.password(ufrag))
	if password.Check(c.request) != nil {
		return nil
	}
	return c.success(password, from)
}

// looksLikeCheck tells from its header alone whether a datagram can be a
// binding request. It spares hostile or foreign traffic, DTLS above all, the
// cost of decoding.
func looksLikeCheck(datagram []byte) bool {
	n := len(datagram)
	return n >= stunHeader && n <= maxDatagram && n%4 == 0 &&
		binary.BigEndian.Uint16(datagram) == bindingRequest &&
		int(binary.BigEndian.Uint16(datagram[2:])) == n-stunHeader &&
		binary.BigEndian.Uint32(datagram[4:]) == stunCookie
}

// signedUsername returns USERNAME if it is covered by MESSAGE-INTEGRITY and
// FINGERPRINT ends the message (RFC 8489, 14.5 and 14.7), and if we understand
// all that we must; what follows the signature proves nothing and is ignored.
func signedUsername(attributes stun.Attributes) (username []byte, ok bool) {
	if len(attributes) == 0 {
		return nil, false
	}
	last := attributes[len(attributes)-1]
	if last.Type != stun.AttrFingerprint || last.Length != fingerprintSize {
		return nil, false
	}
	for _, attr := range attributes {
		switch attr.Type {
		case stun.AttrUsername:
			if username != nil {
				return nil, false
			}
			username = attr.Value
		case stun.AttrMessageIntegrity:
			return username, username != nil && attr.Length == integritySize
		case stun.AttrFingerprint:
			return nil, false
		default:
			if !understood(attr.Type) {
				return nil, false
			}
		}
	}
	return nil, false
}

// understood tells whether a request with this attribute can be answered:
// those from 0x8000 up may be ignored (RFC 8489, 14), those below may not.
func understood(attr stun.AttrType) bool {
	switch attr {
	case stun.AttrPriority, stun.AttrUseCandidate, stun.AttrMessageIntegritySHA256:
		return true
	default:
		return attr.Optional()
	}
}

// ourUfrag is the first half of "ours:theirs" (RFC 8445, 7.2.2).
func ourUfrag(username []byte) ([]byte, bool) {
	ours, theirs, ok := bytes.Cut(username, []byte(":"))
	return ours, ok && len(theirs) >= minTheirUfrag && len(theirs) <= maxTheirUfrag
}

// success is the response to c.request: XOR-MAPPED-ADDRESS,
// MESSAGE-INTEGRITY, FINGERPRINT.
func (c *checker) success(password stun.MessageIntegrity, from netip.AddrPort) []byte {
	m := c.response
	m.Reset()
	m.Type = stun.BindingSuccess
	m.TransactionID = c.request.TransactionID
	m.WriteHeader()
	// Sixteen bytes for IPv4, too: pion/stun writes IPv4 in either form as what
	// it is, and a dual-stack socket reports it mapped.
	c.ip = from.Addr().As16()
	mapped := stun.XORMappedAddress{IP: c.ip[:], Port: int(from.Port())}
	if mapped.AddTo(m) != nil || password.AddTo(m) != nil || stun.Fingerprint.AddTo(m) != nil {
		return nil
	}
	return m.Raw
}
