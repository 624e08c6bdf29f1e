package ice

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/parley-chat/parley/protocol/rtkwire"
)

var update = flag.Bool("update", false, "rewrite the golden answers in testdata")

// recordedVersions are those of the official SDK whose frames are in
// protocol/testdata.
var recordedVersions = []string{"1.2.0", "1.5.1", "2.0.2"}

const smallOffer = "v=0\r\n" +
	"o=- 42 7 IN IP4 127.0.0.1\r\n" +
	"s=-\r\n" +
	"t=0 0\r\n" +
	"a=group:BUNDLE 0\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\n" +
	"c=IN IP4 0.0.0.0\r\n" +
	"a=mid:0\r\n" +
	"a=sendonly\r\n" +
	"a=rtpmap:111 opus/48000/2\r\n"

// recordedOffer is the first offer in the recording of a version.
func recordedOffer(t testing.TB, version string) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "protocol", "testdata", "client-"+version+".txt")
	recording, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(recording))
	lines.Buffer(nil, len(recording))
	for lines.Scan() {
		columns := strings.Split(lines.Text(), "\t")
		if columns[0] == "media.createTransport" {
			return offerInFrame(t, columns[1])
		}
	}
	t.Fatalf("%s: no media.createTransport", path)
	return ""
}

func offerInFrame(t testing.TB, hexFrame string) string {
	t.Helper()
	wire, err := hex.DecodeString(hexFrame)
	if err != nil {
		t.Fatal(err)
	}
	var frame rtkwire.Frame
	if err := proto.Unmarshal(wire, &frame); err != nil {
		t.Fatal(err)
	}
	var request rtkwire.CreateTransport
	if err := proto.Unmarshal(frame.GetPayload(), &request); err != nil {
		t.Fatal(err)
	}
	return request.GetDescription().GetSdp()
}

func mustAnswer(t testing.TB, offer string) string {
	t.Helper()
	answer, err := offline(t, Config{}).Answer(offer, fixedCredentials())
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// sections splits an SDP into the lines of its session part and of each media
// section.
func sections(sdp string) [][]string {
	parts := [][]string{nil}
	for line := range strings.SplitSeq(strings.TrimSuffix(sdp, "\r\n"), "\r\n") {
		if strings.HasPrefix(line, "m=") {
			parts = append(parts, nil)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], line)
	}
	return parts
}

func linesWith(lines []string, prefixes ...string) []string {
	var found []string
	for _, line := range lines {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(line, p) }) {
			found = append(found, line)
		}
	}
	return found
}

// The golden files have plain line feeds, so that no tool rewrites them.
func TestAnswersToRecordedOffers(t *testing.T) {
	for _, version := range recordedVersions {
		t.Run(version, func(t *testing.T) {
			answer := mustAnswer(t, recordedOffer(t, version))
			if strings.Count(answer, "\r\n") != strings.Count(answer, "\n") || !strings.HasSuffix(answer, "\r\n") {
				t.Error("not every line ends in CRLF")
			}
			got := strings.ReplaceAll(answer, "\r\n", "\n")
			path := filepath.Join("testdata", "answer-"+version+".sdp")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the answer differs from %s; it is now\n%s", path, got)
			}
		})
	}
}

func TestAnswerRepeatsFormatsAndExtensionsButNoIdentity(t *testing.T) {
	for _, version := range recordedVersions {
		offer := recordedOffer(t, version)
		offered, answered := sections(offer), sections(mustAnswer(t, offer))
		if len(offered) != len(answered) {
			t.Fatalf("%s: %d media sections offered, %d answered", version, len(offered)-1, len(answered)-1)
		}
		for i := range offered {
			kept := []string{"m=", "a=mid:", "a=rtpmap:", "a=fmtp:", "a=rtcp-fb:", "a=extmap:"}
			if got, want := linesWith(answered[i], kept...), linesWith(offered[i], kept...); !slices.Equal(sorted(got), sorted(want)) {
				t.Errorf("%s, section %d: got %q, want %q", version, i, got, want)
			}
			left := []string{"a=ssrc", "a=msid", "a=rid", "a=simulcast", "a=rtcp:"}
			if got := linesWith(answered[i], left...); got != nil {
				t.Errorf("%s, section %d: repeats %q", version, i, got)
			}
		}
	}
}

func sorted(lines []string) []string { return slices.Sorted(slices.Values(lines)) }

// A later offer of a transport, as for produce, must find the same endpoint
// and a newer description of the same session.
func TestLaterAnswerOfATransportDiffersInVersionOnly(t *testing.T) {
	first := mustAnswer(t, smallOffer)
	second := mustAnswer(t, strings.Replace(smallOffer, "o=- 42 7 ", "o=- 42 8 ", 1))
	if want := strings.Replace(first, " 7 IN IP4", " 8 IN IP4", 1); second != want {
		t.Errorf("got\n%s\nwant\n%s", second, want)
	}
}

// offerOf makes an offer of one section for each set of lines, which are
// appended to a plain audio section; "%d" becomes the mid.
func offerOf(bundle string, sections ...string) string {
	var b strings.Builder
	b.WriteString("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" + bundle)
	for i, lines := range sections {
		if !strings.HasPrefix(lines, "m=") {
			lines = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" + lines
		}
		fmt.Fprintf(&b, "%sa=mid:%d\r\n", lines, i)
	}
	return b.String()
}

func TestDirectionOfAnswer(t *testing.T) {
	for offered, want := range map[string]string{
		"":               "a=recvonly",
		"a=sendrecv\r\n": "a=recvonly",
		"a=sendonly\r\n": "a=recvonly",
		"a=recvonly\r\n": "a=inactive",
		"a=inactive\r\n": "a=inactive",
	} {
		answered := sections(mustAnswer(t, offerOf("", offered)))[1]
		got := linesWith(answered, "a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")
		if !slices.Equal(got, []string{want}) {
			t.Errorf("offer %q: got %q, want %q", offered, got, want)
		}
	}
	answered := sections(mustAnswer(t, offerOf("a=inactive\r\n", "", "a=sendonly\r\n")))
	if !slices.Contains(answered[1], "a=inactive") || !slices.Contains(answered[2], "a=recvonly") {
		t.Errorf("the session's direction is not what sections without one take: %q", answered)
	}
}

func TestRejectedSectionStaysRejectedAndOutOfTheBundle(t *testing.T) {
	answered := sections(mustAnswer(t, offerOf("a=group:BUNDLE 0 1 2\r\n",
		"",
		"m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n",
		"m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only\r\n")))
	if got := linesWith(answered[0], "a=group:"); !slices.Equal(got, []string{"a=group:BUNDLE 0 2"}) {
		t.Errorf("got %q", got)
	}
	want := []string{"m=video 0 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=mid:1", "a=inactive"}
	if !slices.Equal(answered[2], want) {
		t.Errorf("rejected: got %q, want %q", answered[2], want)
	}
	if got := answered[3][0]; got != "m=video 9 UDP/TLS/RTP/SAVPF 96" {
		t.Errorf("without an address outside the bundle: got %q", got)
	}
}

func TestBundleIsThatOfTheOffer(t *testing.T) {
	for bundle, want := range map[string][]string{
		"":                               nil,
		"a=group:BUNDLE\r\n":             nil,
		"a=group:BUNDLE 9\r\n":           nil,
		"a=group:BUNDLE 1\r\n":           {"a=group:BUNDLE 1"},
		"a=group:BUNDLE 1 0\r\n":         {"a=group:BUNDLE 0 1"},
		"a=group:LS 0 1\r\n":             nil,
		"a=group:BUNDLES 0 1\r\n":        nil,
		"a=group:BUNDLE 0\ta=evil\r\n":   nil,
		"a=group:BUNDLE 0\ra=evil 1\r\n": {"a=group:BUNDLE 1"},
	} {
		answered := sections(mustAnswer(t, offerOf(bundle, "", "")))[0]
		if got := linesWith(answered, "a=group:"); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", bundle, got, want)
		}
	}
}

func TestLinesWithControlCharactersAreDropped(t *testing.T) {
	answer := mustAnswer(t, offerOf("", "a=rtpmap:111 opus/48000/2\r\n"+
		"a=fmtp:111 x\ra=ice-pwd:stolen\r\n"+
		"a=fmtp:111 y\x00\r\n"+
		"a=rtcp-fb:111 \x1b[2J\r\n"+
		"a=extmap:1 urn:\u0085a=evil\r\n"+
		"a=extmap:2 urn:\u2028a=evil\r\n"+
		"a=extmap:3 urn:\xff\r\n"+
		"a=extmap:4 urn:fine\r\n"))
	got := linesWith(sections(answer)[1], "a=rtpmap", "a=fmtp", "a=rtcp-fb", "a=extmap")
	if want := []string{"a=rtpmap:111 opus/48000/2", "a=extmap:4 urn:fine"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMalformedOffersAreRefused(t *testing.T) {
	change := func(old, replacement string) string {
		if !strings.Contains(smallOffer, old) {
			t.Fatalf("the offer has no %q", old)
		}
		return strings.Replace(smallOffer, old, replacement, 1)
	}
	for name, offer := range map[string]string{
		"empty":                  "",
		"no SDP":                 "hello",
		"binary":                 "\x00\x01\x02",
		"no version":             change("v=0\r\n", ""),
		"other version":          change("v=0", "v=1"),
		"version later":          "s=-\r\n" + smallOffer,
		"no origin":              change("o=- 42 7 IN IP4 127.0.0.1\r\n", ""),
		"short origin":           change("o=- 42 7 IN IP4 127.0.0.1", "o=- 42"),
		"two origins":            change("s=-\r\n", "o=- 42 7 IN IP4 127.0.0.1\r\n"),
		"origin in section":      smallOffer + "o=- 42 7 IN IP4 127.0.0.1\r\n",
		"version not a number":   change(" 7 ", " seven "),
		"negative version":       change(" 7 ", " -7 "),
		"no media":               strings.SplitAfter(smallOffer, "BUNDLE 0\r\n")[0],
		"no mid":                 change("a=mid:0\r\n", ""),
		"empty mid":              change("a=mid:0", "a=mid:"),
		"mid of two words":       change("a=mid:0", "a=mid:0 1"),
		"mid with return":        change("a=mid:0", "a=mid:0\ra=x"),
		"long mid":               change("a=mid:0", "a=mid:"+strings.Repeat("0", maxMid+1)),
		"two mids":               change("a=mid:0\r\n", "a=mid:0\r\na=mid:1\r\n"),
		"same mid twice":         smallOffer + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n",
		"two bundles":            change("a=group:BUNDLE 0\r\n", "a=group:BUNDLE 0\r\na=group:BUNDLE 1\r\n"),
		"media without formats":  change(" 111 63", ""),
		"media with empty words": change(" 111 63", " 111  63"),
		"media with return":      change(" 111 63", " 111\ra=x"),
		"media not ASCII":        change("m=audio", "m=\u00e4udio"),
		"port not a number":      change("audio 9", "audio nine"),
		"port out of range":      change("audio 9", "audio 65536"),
		"port with count":        change("audio 9", "audio 9/2"),
		"line without type":      change("s=-", "-"),
		"line of one letter":     change("s=-", "s"),
		"upper case type":        change("s=-", "S=-"),
		"blank line":             change("s=-", ""),
		"endless line":           change("s=-", "s="+strings.Repeat("x", maxLine)),
		"endless offer":          smallOffer + strings.Repeat("a=x\r\n", maxOffer/5),
		"endless sections":       offerOf("", make([]string, maxSections+1)...),
	} {
		answer, err := offline(t, Config{}).Answer(offer, fixedCredentials())
		if !errors.Is(err, ErrOffer) || answer != "" {
			t.Errorf("%s: got %q, %v; want ErrOffer", name, answer, err)
		}
	}
}

func TestLargestOfferIsAnswered(t *testing.T) {
	offer := offerOf("", make([]string, maxSections)...)
	for filler := maxOffer - len(offer); filler > 0; filler = maxOffer - len(offer) {
		n := min(filler, maxLine)
		if rest := filler - n; 0 < rest && rest < 4 {
			n -= 4 // too little for a line of its own
		}
		offer += "a=" + strings.Repeat("x", n-4) + "\r\n"
	}
	if len(offer) != maxOffer {
		t.Fatalf("built %d bytes", len(offer))
	}
	if got := len(sections(mustAnswer(t, offer))) - 1; got != maxSections {
		t.Errorf("got %d media sections, want %d", got, maxSections)
	}
}

// Errors reach logs, and an offer holds the client's addresses.
func TestErrorDoesNotQuoteTheOffer(t *testing.T) {
	for _, line := range []string{"a=mid:203.0.113.77 x", "o=- 203.0.113.77 1", "m=203.0.113.77", "203.0.113.77"} {
		_, err := offline(t, Config{}).Answer("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nm=audio 9 RTP/AVP 0\r\n"+line+"\r\n", fixedCredentials())
		if err == nil || strings.Contains(err.Error(), "203.0.113.77") {
			t.Errorf("%q: got %v", line, err)
		}
	}
}

func TestOfferWithBareLineFeedsIsAnswered(t *testing.T) {
	if got, want := mustAnswer(t, strings.ReplaceAll(smallOffer, "\r\n", "\n")), mustAnswer(t, smallOffer); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCandidatesAreTheAdvertisedAddresses(t *testing.T) {
	r := offline(t, Config{UDP: Endpoint{Advertise: []netip.AddrPort{
		netip.MustParseAddrPort("203.0.113.5:0"),
		netip.MustParseAddrPort("[2001:db8::5]:7000"),
		netip.MustParseAddrPort("[::ffff:198.51.100.5]:0"),
	}}})
	answer, err := r.Answer(smallOffer, fixedCredentials())
	if err != nil {
		t.Fatal(err)
	}
	got := linesWith(sections(answer)[1], "a=candidate:", "a=end-of-candidates")
	want := []string{
		"a=candidate:1 1 udp 2130706431 203.0.113.5 3478 typ host",
		"a=candidate:2 1 udp 2130706175 2001:db8::5 7000 typ host",
		"a=candidate:3 1 udp 2130705919 198.51.100.5 3478 typ host",
		"a=end-of-candidates",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, version := range recordedVersions {
		f.Add(recordedOffer(f, version))
	}
	f.Add(smallOffer)
	f.Add(offerOf("a=group:BUNDLE 0 1\r\n", "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only\r\n", "m=video 0 X 1\r\n"))
	f.Add(offerOf("a=inactive\r\n", "a=fmtp:1 x\ra=y\r\n", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"))
	r := offline(f, Config{})
	creds := fixedCredentials()
	own := ownLines(f)
	f.Fuzz(func(t *testing.T, offer string) {
		answer, err := r.Answer(offer, creds)
		if err != nil {
			if answer != "" || !errors.Is(err, ErrOffer) {
				t.Fatalf("got %q, %v", answer, err)
			}
			return
		}
		for _, part := range sections(answer) {
			for _, line := range part {
				if !isPrintable(line) {
					t.Fatalf("unprintable line %q", line)
				}
				if !own[line] && !mayFollowOffer(offer, line) {
					t.Fatalf("line %q is neither ours nor of the offer", line)
				}
			}
		}
		again, err := parseOffer(answer)
		if err != nil {
			t.Fatalf("the answer does not parse: %v\n%s", err, answer)
		}
		if got, want := len(again.sections), strings.Count("\n"+offer, "\nm="); got != want {
			t.Fatalf("%d media sections offered, %d answered", want, got)
		}
	})
}

// ownLines are the lines that no offer has a say in.
func ownLines(t testing.TB) map[string]bool {
	own := map[string]bool{"a=inactive": true}
	for _, part := range sections(mustAnswer(t, smallOffer)) {
		for _, line := range part {
			own[line] = true
		}
	}
	for _, line := range []string{"m=audio 9 UDP/TLS/RTP/SAVPF 111 63", "a=mid:0", "a=rtpmap:111 opus/48000/2", "a=group:BUNDLE 0"} {
		delete(own, line)
	}
	return own
}

// mayFollowOffer tells whether an answer may hold the line because of what the
// offer says.
func mayFollowOffer(offer, line string) bool {
	switch {
	case strings.HasPrefix(line, "o=- "), strings.HasPrefix(line, "a=group:BUNDLE "):
		return true
	case strings.HasPrefix(line, "m="):
		kind, rest, _ := strings.Cut(line, " ")
		_, formats, _ := strings.Cut(rest, " ")
		return strings.Contains("\n"+offer, "\n"+kind+" ") && strings.Contains(offer, " "+formats)
	case len(linesWith([]string{line}, "a=mid:", "a=rtpmap:", "a=fmtp:", "a=rtcp-fb:", "a=extmap:")) == 1,
		line == "a=rtpmap", line == "a=fmtp", line == "a=rtcp-fb", line == "a=extmap":
		return strings.Contains("\n"+offer+"\n", "\n"+line+"\n") || strings.Contains("\n"+offer+"\n", "\n"+line+"\r\n")
	}
	return false
}

func BenchmarkAnswer(b *testing.B) {
	offer := recordedOffer(b, "2.0.2")
	r := offline(b, Config{})
	creds := fixedCredentials()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Answer(offer, creds); err != nil {
			b.Fatal(err)
		}
	}
}
