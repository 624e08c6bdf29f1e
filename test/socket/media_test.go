package socket_test

import (
	"net"
	"regexp"
	"testing"

	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// offer is about the least that a browser may say.
const offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"

func TestMediaIsOfferedByUDPAndThenByTCP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.enter("Alice")
	var answer rtkwire.CreateTransportResult
	w.must(nil, alice.Request(w.ctx, protocol.MediaCreateTransport, &rtkwire.CreateTransport{
		Description: &rtkwire.SessionDescription{Type: "offer", Sdp: offer},
	}, &answer))
	sdp := answer.GetDescription().GetSdp()
	found := regexp.MustCompile(
		`a=candidate:1 1 udp 2130706431 127\.0\.0\.1 \d+ typ host\r\n` +
			`a=candidate:2 1 tcp 1671430143 127\.0\.0\.1 (\d+) typ host tcptype passive\r\na=end-of-candidates\r\n`,
	).FindStringSubmatch(sdp)
	if found == nil {
		t.Fatalf("answered\n%s", sdp)
	}
	conn, err := new(net.Dialer).DialContext(w.ctx, "tcp", net.JoinHostPort("127.0.0.1", found[1]))
	w.must(nil, err)
	conn.Close()
}
