// Package ice is the "null media" endpoint: just enough of a media server for
// a client that will not join a meeting before its peer connection reports a
// working ICE path.
//
// It does two things. [Responder.Answer] answers an SDP offer, and
// [Responder.Run] answers the STUN connectivity checks that follow, as an
// ICE-lite agent does (RFC 8445, 2.5), over UDP and for networks that let no
// UDP through over TCP (RFC 6544). Nothing comes after that: DTLS is never
// completed, RTP never read, and whatever else arrives is dropped. A meeting
// that carries sound or pictures needs a media server; this is none.
//
// Between the two parts there is no session. The user name fragment that a
// client is given proves by itself that it was minted here, and the password
// follows from it and a secret. Any node that knows the secret can answer a
// check, also after a restart, and a stranger can make nothing grow:
//
//	ufrag     nonce (12 ice-chars) | tag (8 ice-chars)
//	tag       HMAC-SHA256(secret, "ufrag:" nonce), its first 6 bytes
//	password  HMAC-SHA256(secret, "pwd:" ufrag), its first 24 bytes
//
// The alphabet of standard base64 is exactly that of ice-chars (RFC 8839,
// 5.4), hence no encoding of our own.
package ice
