package ice

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/stun/v3"
)

var testTransaction = [stun.TransactionIDSize]byte{'t', 'r', 'a', 'n', 's', 'a', 'c', 't', 'i', 'o', 'n', '1'}

func mustAddrPort(t testing.TB, s string) netip.AddrPort {
	t.Helper()
	addr, err := netip.ParseAddrPort(s)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// message builds a STUN message of the given attributes, in their order.
func message(t testing.TB, attributes ...stun.Setter) []byte {
	t.Helper()
	all := append([]stun.Setter{stun.BindingRequest, stun.NewTransactionIDSetter(testTransaction)}, attributes...)
	m, err := stun.Build(all...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

func username(creds Credentials) stun.Setter { return stun.NewUsername(creds.Ufrag + ":Wc4w") }

func signature(creds Credentials) stun.Setter { return stun.NewShortTermIntegrity(creds.Pwd) }

func raw(attr stun.AttrType, value string) stun.Setter {
	return stun.RawAttribute{Type: attr, Value: []byte(value)}
}

// browserCheck is a check with the attributes that Chromium sends.
func browserCheck(t testing.TB, creds Credentials) []byte {
	return message(t, username(creds),
		raw(0xC057, "\x00\x01\x00\x0a"), // GOOG-NETWORK-INFO
		raw(stun.AttrICEControlling, "tiebreak"),
		raw(stun.AttrUseCandidate, ""),
		raw(stun.AttrPriority, "\x6e\x7f\x1e\xff"),
		signature(creds), stun.Fingerprint)
}

// verifySuccess checks a response as a browser does and returns the address in
// it.
func verifySuccess(t testing.TB, response []byte, creds Credentials) netip.AddrPort {
	t.Helper()
	m := &stun.Message{Raw: append([]byte(nil), response...)}
	if err := m.Decode(); err != nil {
		t.Fatalf("response does not decode: %v", err)
	}
	if m.Type != stun.BindingSuccess || m.TransactionID != testTransaction {
		t.Fatalf("got %s of transaction %q", m.Type, m.TransactionID)
	}
	if err := stun.Fingerprint.Check(m); err != nil {
		t.Fatalf("fingerprint: %v", err)
	}
	if err := stun.NewShortTermIntegrity(creds.Pwd).Check(m); err != nil {
		t.Fatalf("integrity: %v", err)
	}
	var mapped stun.XORMappedAddress
	if err := mapped.GetFrom(m); err != nil {
		t.Fatalf("address: %v", err)
	}
	addr, _ := netip.AddrFromSlice(mapped.IP)
	return netip.AddrPortFrom(addr, uint16(mapped.Port))
}

func TestCheckIsAnsweredWithTheAddressItCameFrom(t *testing.T) {
	creds := fixedCredentials()
	c := newChecker(testSecret)
	for from, want := range map[string]string{
		"203.0.113.9:54321":          "203.0.113.9:54321",
		"[::ffff:203.0.113.9]:54321": "203.0.113.9:54321", // from a dual-stack socket
		"[2001:db8::1:2]:443":        "[2001:db8::1:2]:443",
	} {
		got := verifySuccess(t, c.answer(browserCheck(t, creds), mustAddrPort(t, from)), creds)
		if got != mustAddrPort(t, want) {
			t.Errorf("from %s: got %s, want %s", from, got, want)
		}
	}
}

func TestWhatProvesNothingIsNotAnswered(t *testing.T) {
	creds := fixedCredentials()
	from := mustAddrPort(t, "203.0.113.9:54321")
	edit := func(change func(b []byte)) []byte {
		b := browserCheck(t, creds)
		change(b)
		return b
	}
	resigned := func(ufrag string) []byte {
		return message(t, stun.NewUsername(ufrag), signature(creds), stun.Fingerprint)
	}
	// As if the password had leaked of a ufrag that was never given out.
	neverMinted := Credentials{Ufrag: "x" + creds.Ufrag[1:]}
	neverMinted.Pwd = string(newSigner(testSecret).password([]byte(neverMinted.Ufrag)))
	foreign := newSigner(otherSecret).mint([nonceBytes]byte{1})
	for name, datagram := range map[string][]byte{
		"nothing":                    {},
		"DTLS hello":                 []byte("\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x2e\x01\x00\x00\x22\x00\x00\x00\x00\x00\x00\x00"),
		"no credentials":             message(t, stun.Fingerprint),
		"no username":                message(t, signature(creds), stun.Fingerprint),
		"no signature":               message(t, username(creds), stun.Fingerprint),
		"no fingerprint":             message(t, username(creds), signature(creds)),
		"username after signature":   message(t, signature(creds), username(creds), stun.Fingerprint),
		"two usernames":              message(t, username(creds), username(creds), signature(creds), stun.Fingerprint),
		"unknown required attribute": message(t, username(creds), raw(0x0030, "what"), signature(creds), stun.Fingerprint),
		"fingerprint before the end": message(t, username(creds), signature(creds), stun.Fingerprint, raw(0xC057, "info")),
		"unknown ufrag":              resigned("AAAAAAAAAAAAAAAAAAAA:Wc4w"),
		"ufrag never minted":         message(t, username(neverMinted), signature(neverMinted), stun.Fingerprint),
		"ufrag of another secret":    message(t, username(foreign), signature(foreign), stun.Fingerprint),
		"only our ufrag":             resigned(creds.Ufrag),
		"no ufrag of theirs":         resigned(creds.Ufrag + ":"),
		"endless ufrag of theirs":    resigned(creds.Ufrag + ":" + strings.Repeat("x", maxTheirUfrag+1)),
		"halves exchanged":           resigned("Wc4w:" + creds.Ufrag),
		"other password":             message(t, username(creds), stun.NewShortTermIntegrity("x"+creds.Pwd[1:]), stun.Fingerprint),
		"changed under signature": edit(func(b []byte) {
			b[8] ^= 1 // the transaction
			binary.BigEndian.PutUint32(b[len(b)-4:], stun.FingerprintValue(b[:len(b)-8]))
		}),
		"wrong fingerprint": edit(func(b []byte) { b[len(b)-1] ^= 1 }),
		"wrong cookie":      edit(func(b []byte) { b[4] ^= 1 }),
		"wrong length":      edit(func(b []byte) { b[3] += 4 }),
		"cut short":         browserCheck(t, creds)[:60],
		"tail":              append(browserCheck(t, creds), 0, 0, 0, 0),
		"too long": message(t, username(creds), raw(0xC057, strings.Repeat("x", maxDatagram)),
			signature(creds), stun.Fingerprint),
		"success response": message(t, stun.BindingSuccess, username(creds), signature(creds), stun.Fingerprint),
		"indication":       message(t, stun.NewType(stun.MethodBinding, stun.ClassIndication), username(creds), signature(creds), stun.Fingerprint),
		"TURN allocation":  message(t, stun.NewType(stun.MethodAllocate, stun.ClassRequest), username(creds), signature(creds), stun.Fingerprint),
	} {
		if got := newChecker(testSecret).answer(datagram, from); got != nil {
			t.Errorf("%s: answered with %x", name, got)
		}
	}
}

func TestLongestCheckIsAnswered(t *testing.T) {
	creds := fixedCredentials()
	bare := len(message(t, username(creds), raw(0xC057, ""), signature(creds), stun.Fingerprint))
	datagram := message(t, username(creds), raw(0xC057, strings.Repeat("x", maxDatagram-bare)),
		signature(creds), stun.Fingerprint)
	if len(datagram) != maxDatagram {
		t.Fatalf("built %d bytes", len(datagram))
	}
	verifySuccess(t, newChecker(testSecret).answer(datagram, mustAddrPort(t, "203.0.113.9:1")), creds)
}

// Whoever forges sources must gain nothing by sending through us.
func TestAnswerIsNeverLongerThanTheCheck(t *testing.T) {
	creds := fixedCredentials()
	shortest := message(t, username(creds), signature(creds), stun.Fingerprint)
	answer := newChecker(testSecret).answer(shortest, mustAddrPort(t, "[2001:db8::1]:1"))
	verifySuccess(t, answer, creds)
	if len(answer) > len(shortest) {
		t.Errorf("%d bytes answered with %d", len(shortest), len(answer))
	}
}

// FuzzDatagram feeds a checker what a socket may bring it. To get past the
// signature now and then, the datagram is also tried as the attributes of a
// signed check.
func FuzzDatagram(f *testing.F) {
	creds := fixedCredentials()
	check := browserCheck(f, creds)
	f.Add(check)
	f.Add(check[stunHeader:])
	f.Add(message(f, username(creds), signature(creds), stun.Fingerprint))
	f.Add(message(f, username(creds))[stunHeader:])
	f.Add([]byte("\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte{})
	c := newChecker(testSecret)
	from := mustAddrPort(f, "203.0.113.9:54321")
	f.Fuzz(func(t *testing.T, datagram []byte) {
		for _, datagram := range [][]byte{datagram, signed(t, creds, datagram)} {
			answer := c.answer(datagram, from)
			if answer == nil {
				continue
			}
			if len(answer) > len(datagram) {
				t.Errorf("%d bytes answered with %d", len(datagram), len(answer))
			}
			if err := stun.NewShortTermIntegrity(creds.Pwd).Check(decoded(t, datagram)); err != nil {
				t.Errorf("answered, though the signature is wrong: %v", err)
			}
			response := decoded(t, answer)
			if err := stun.NewShortTermIntegrity(creds.Pwd).Check(response); err != nil {
				t.Errorf("the answer's signature is wrong: %v", err)
			}
			if response.TransactionID != decoded(t, datagram).TransactionID {
				t.Error("the answer is to another transaction")
			}
		}
	})
}

// signed completes the attributes, whatever they are, to a signed check.
func signed(t testing.TB, creds Credentials, attributes []byte) []byte {
	m := &stun.Message{Raw: message(t)}
	attributes = attributes[:min(len(attributes)/4*4, maxDatagram)]
	m.Raw = append(m.Raw, attributes...)
	m.Length = uint32(len(attributes))
	m.WriteLength()
	if err := signature(creds).AddTo(m); err != nil {
		t.Fatal(err)
	}
	if err := stun.Fingerprint.AddTo(m); err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

func decoded(t testing.TB, datagram []byte) *stun.Message {
	t.Helper()
	m := &stun.Message{Raw: append([]byte(nil), datagram...)}
	if err := m.Decode(); err != nil {
		t.Fatalf("does not decode: %v", err)
	}
	return m
}

func BenchmarkCheckAnswered(b *testing.B) {
	c := newChecker(testSecret)
	datagram := browserCheck(b, fixedCredentials())
	from := mustAddrPort(b, "203.0.113.9:54321")
	b.ReportAllocs()
	for b.Loop() {
		if c.answer(datagram, from) == nil {
			b.Fatal("not answered")
		}
	}
}

func BenchmarkForgedCheckDropped(b *testing.B) {
	c := newChecker(testSecret)
	forged := newSigner(otherSecret).mint([nonceBytes]byte{1})
	datagram := browserCheck(b, forged)
	from := mustAddrPort(b, "203.0.113.9:54321")
	b.ReportAllocs()
	for b.Loop() {
		if c.answer(datagram, from) != nil {
			b.Fatal("answered")
		}
	}
}
