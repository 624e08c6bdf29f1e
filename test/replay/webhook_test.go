package replay_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/follow/webhook"
)

// all are the events of a session.
var all = []string{"meeting.started", "meeting.ended", "meeting.participantJoined", "meeting.participantLeft", "meeting.chatSynced"}

// signedBody is what verify.mjs reads.
type signedBody struct {
	Body      []byte `json:"body"`
	Signature string `json:"signature"`
}

func TestReceiversOfEachKindBelieveTheSignatures(t *testing.T) {
	w := newWorld(t)
	id := w.hook(all...)
	ada := w.join("Ada \u2029 <b>&")
	_, err := ada.SendText(w.ctx, "hello")
	w.must(err)
	ada.Leave()
	told := w.receiver.wait(w.ctx, t, has("meeting.chatSynced"))
	if got := events(told); got != "meeting.started meeting.participantJoined meeting.participantLeft meeting.ended meeting.chatSynced" {
		t.Errorf("told %s", got)
	}

	_, answer := w.get("GET", w.url+webhook.KeyPath)
	var public struct{ Data struct{ PublicKey string } }
	w.must(json.Unmarshal([]byte(answer), &public))
	block, _ := pem.Decode([]byte(public.Data.PublicKey))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	w.must(err)
	input := struct {
		PublicKey  string       `json:"publicKey"`
		Deliveries []signedBody `json:"deliveries"`
	}{PublicKey: public.Data.PublicKey}
	uuids := make(map[string]bool)
	for _, d := range told {
		signature := d.header.Get("Rtk-Signature")
		raw, err := base64.StdEncoding.DecodeString(signature)
		w.must(err)
		sum := sha256.Sum256(d.raw)
		if err := rsa.VerifyPKCS1v15(parsed.(*rsa.PublicKey), crypto.SHA256, sum[:], raw); err != nil {
			t.Errorf("%s: %v", d.Event, err)
		}
		if d.header.Get("Dyte-Signature") != signature || d.header.Get("Rtk-Webhook-Id") != id || d.header.Get("Dyte-Webhook-Id") != id ||
			d.header.Get("Dyte-Uuid") != d.header.Get("Rtk-Uuid") || d.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: headers %v", d.Event, d.header)
		}
		uuids[d.header.Get("Rtk-Uuid")] = true
		input.Deliveries = append(input.Deliveries, signedBody{d.raw, signature})
	}
	if len(uuids) != len(told) {
		t.Errorf("%d ids for %d deliveries", len(uuids), len(told))
	}
	encoded, err := json.Marshal(input)
	w.must(err)
	node := exec.CommandContext(w.ctx, "node", "testdata/verify.mjs")
	node.Stdin = bytes.NewReader(encoded)
	var problems bytes.Buffer
	node.Stderr = &problems
	printed, err := node.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &problems)
	}
	lines := strings.Split(strings.TrimSpace(string(printed)), "\n")
	if len(lines) != len(told) {
		t.Fatalf("%d lines for %d deliveries: %s", len(lines), len(told), printed)
	}
	for i, line := range lines {
		// The last is of a body that somebody has changed.
		if line != "raw=true parsed=true webcrypto=true changed=false" {
			t.Errorf("%s: %s", told[i].Event, line)
		}
	}
}

func TestADeliveryThatFailedComesAgainWithTheSameID(t *testing.T) {
	w := newWorld(t)
	w.hook("meeting.started")
	w.receiver.mu.Lock()
	refused := false
	w.receiver.refuse = func(delivery) int {
		if refused {
			return http.StatusOK
		}
		refused = true
		return http.StatusServiceUnavailable
	}
	w.receiver.mu.Unlock()
	w.join("Ada")
	told := w.receiver.wait(w.ctx, t, func(told []delivery) bool { return len(told) == 2 })
	if told[0].header.Get("Rtk-Uuid") != told[1].header.Get("Rtk-Uuid") || !bytes.Equal(told[0].raw, told[1].raw) {
		t.Errorf("told %s as %s, and %s as %s", told[0].raw, told[0].header.Get("Rtk-Uuid"), told[1].raw, told[1].header.Get("Rtk-Uuid"))
	}
}

func TestWhyASessionHasEndedIsTold(t *testing.T) {
	w := newWorld(t)
	w.hook("meeting.ended")
	reason := func(d delivery) string {
		var body struct {
			Reason  string
			Meeting struct{ EndedAt string }
		}
		w.must(json.Unmarshal(d.raw, &body))
		if body.Meeting.EndedAt == "" {
			t.Errorf("told %s", d.raw)
		}
		return body.Reason
	}
	w.join("Ada").Leave()
	told := w.receiver.wait(w.ctx, t, has("meeting.ended"))
	if got := reason(told[0]); got != "ALL_PARTICIPANTS_LEFT" {
		t.Errorf("when everybody has left: %s", got)
	}
	w.join("Bob")
	w.call("POST", "/meetings/"+string(w.meeting.ID)+"/active-session/kick-all", "", nil)
	told = w.receiver.wait(w.ctx, t, func(told []delivery) bool { return len(told) == 2 })
	if got := reason(told[1]); got != "HOST_ENDED_MEETING" {
		t.Errorf("when the host has ended it: %s", got)
	}
}
