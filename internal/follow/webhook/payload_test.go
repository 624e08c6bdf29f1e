package webhook

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"
)

var (
	started = time.Date(2026, 6, 3, 10, 0, 0, 0, time.UTC)
	ended   = time.Date(2026, 6, 3, 10, 30, 0, 7e6, time.FixedZone("", 3600))
	live    = Session{ID: "s", Meeting: "m", Title: "Weekly", StartedAt: started, AppID: "a", AppName: "Acme"}
)

func TestBodiesHaveTheOfficialForm(t *testing.T) {
	over := live
	over.EndedAt = ended
	peer := Peer{ID: "p", DisplayName: "Ada", CustomID: "u-1", JoinedAt: started}
	gone := peer
	gone.LeftAt = ended
	const meeting = `"meeting":{"id":"m","sessionId":"s","title":"Weekly","roomName":"m","status":"LIVE",` +
		`"createdAt":"2026-06-03T10:00:00.000Z","startedAt":"2026-06-03T10:00:00.000Z"`
	const by = `"organizedBy":{"id":"a","name":"Acme"}`
	const ada = `"participant":{"peerId":"p","userDisplayName":"Ada","customParticipantId":"u-1","clientSpecificId":"u-1","joinedAt":"2026-06-03T10:00:00.000Z"`
	for want, body := range map[string]func() ([]byte, error){
		`{"event":"meeting.started",` + meeting + `,` + by + `}}`: func() ([]byte, error) { return StartedBody(live) },
		`{"event":"meeting.ended",` + meeting + `,"endedAt":"2026-06-03T09:30:00.007Z",` + by + `},"reason":"HOST_ENDED_MEETING"}`: func() ([]byte, error) {
			return EndedBody(over, HostEnded)
		},
		`{"event":"meeting.participantJoined",` + meeting + `,` + by + `},` + ada + `}}`: func() ([]byte, error) { return PeerBody(live, peer) },
		`{"event":"meeting.participantLeft",` + meeting + `,` + by + `},` + ada + `,"leftAt":"2026-06-03T09:30:00.007Z"}}`: func() ([]byte, error) {
			return PeerBody(live, gone)
		},
		`{"event":"meeting.chatSynced","sessionId":"s","meetingId":"m","title":"Weekly","chatDownloadUrl":"https://x/?a=1&b=2",` +
			`"chatDownloadUrlExpiry":"2026-06-03T10:00:00.000Z","createdAt":"2026-06-03T10:00:00.000Z","startedAt":"2026-06-03T10:00:00.000Z",` +
			`"endedAt":"2026-06-03T09:30:00.007Z",` + by + `}`: func() ([]byte, error) {
			return ChatSyncedBody(over, "https://x/?a=1&b=2", started)
		},
	} {
		got, err := body()
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Half of the receivers check the signature over JSON.stringify(JSON.parse(body)).
func TestBodiesAreWhatJavaScriptWouldPrint(t *testing.T) {
	var every strings.Builder
	for r := rune(1); r < 0x300; r++ {
		every.WriteRune(r)
	}
	titles := []string{
		"", "plain", every.String(), "<b>&amp;</b> ' \" / \\ ", "a\u2028b\u2029c", `\u2028 \\u2029 \\\u2028`, "\\\u2028", "\ufffd\ufffe\ufeff",
		"\U0001F600 \U0010FFFF e\u0301", "\x7f\u0080\u009f",
	}
	var bodies [][]byte
	for _, title := range titles {
		s := live
		s.Title = title
		body, err := StartedBody(s)
		if err != nil {
			t.Fatal(err)
		}
		var back struct{ Meeting struct{ Title string } }
		if err := json.Unmarshal(body, &back); err != nil || back.Meeting.Title != title {
			t.Errorf("%q comes back as %q, %v", title, back.Meeting.Title, err)
		}
		bodies = append(bodies, body)
	}
	node := exec.CommandContext(t.Context(), "node", "-e",
		`process.stdout.write(require("fs").readFileSync(0, "utf8").split("\n").map((l) => JSON.stringify(JSON.parse(l))).join("\n"))`)
	node.Stdin = bytes.NewReader(bytes.Join(bodies, []byte("\n")))
	printed, err := node.Output()
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range bytes.Split(printed, []byte("\n")) {
		if !bytes.Equal(line, bodies[i]) {
			t.Errorf("JavaScript prints\n%s\nand not\n%s", line, bodies[i])
		}
	}
}
