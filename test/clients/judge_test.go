package clients_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/realtime_kit"
)

// judge looks at an answer as the official client has decoded it, and tells what
// is not as its types promise: what is required and missing, what could not be
// decoded, and words that are not among those it knows. The client itself lets
// all that pass in silence.
func judge(answer any) []string {
	var complaints []string
	look(reflect.ValueOf(answer), "", &complaints)
	return complaints
}

func look(v reflect.Value, where string, complaints *[]string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			look(v.Elem(), where, complaints)
		}
	case reflect.Slice:
		for i := range v.Len() {
			look(v.Index(i), fmt.Sprintf("%s[%d]", where, i), complaints)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			look(v.MapIndex(key), fmt.Sprintf("%s[%v]", where, key), complaints)
		}
	case reflect.Struct:
		lookInto(v, where, complaints)
	default:
	}
}

// lookInto compares the fields of an object with what the client notes about
// each in the field JSON beside them.
func lookInto(v reflect.Value, where string, complaints *[]string) {
	notes := v.FieldByName("JSON")
	if !notes.IsValid() {
		return
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		note := notes.FieldByName(field.Name)
		if field.Name == "JSON" || !note.IsValid() {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		at := where + "." + name
		status := note.Interface().(interface {
			IsNull() bool
			IsMissing() bool
			IsInvalid() bool
			Raw() string
		})
		known, hasWords := reflect.TypeAssert[interface{ IsKnown() bool }](v.Field(i))
		switch api := field.Tag.Get("api"); {
		case status.IsMissing() && strings.Contains(api, "required"):
			*complaints = append(*complaints, at+" is missing")
		case status.IsMissing():
		case status.IsInvalid():
			*complaints = append(*complaints, fmt.Sprintf("%s is %s, which is no %v", at, status.Raw(), field.Type))
		case status.IsNull() && strings.Contains(api, "required") && !strings.Contains(api, "nullable"):
			*complaints = append(*complaints, at+" is null")
		case status.IsNull():
		case hasWords && !known.IsKnown():
			*complaints = append(*complaints, fmt.Sprintf("%s is %s, a word that the client does not know", at, status.Raw()))
		default:
			look(v.Field(i), at, complaints)
		}
	}
}

func TestTheJudgeSeesWhatTheClientLetsPass(t *testing.T) {
	const meeting = `"id":"` + stranger + `","created_at":"2026-05-01T09:00:00.000Z","updated_at":"2026-05-01T09:00:00.000Z"`
	for body, want := range map[string]string{
		`{"success":true,"data":{` + meeting + `}}`:                                                                   "",
		`{"success":true,"data":{` + meeting + `,"extra":1,"title":null}}`:                                            "",
		`{"success":true,"data":{"id":"x","created_at":"2026-05-01T09:00:00Z"}}`:                                      ".data.updated_at is missing",
		`{"success":true,"data":{` + meeting + `,"status":"ASLEEP"}}`:                                                 `.data.status is "ASLEEP", a word that the client does not know`,
		`{"success":true,"data":{` + meeting + `,"persist_chat":"maybe"}}`:                                            `.data.persist_chat is "maybe", which is no bool`,
		`{"success":true,"data":{"id":"x","created_at":"2026-05-01 09:00","updated_at":"2026-05-01T09:00:00Z"}}`:      ".data.created_at is \"2026-05-01 09:00\", which is no time.Time",
		`{"success":true,"data":{"id":null,"created_at":"2026-05-01T09:00:00Z","updated_at":"2026-05-01T09:00:00Z"}}`: ".data.id is null",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		}))
		meetings := realtime_kit.NewMeetingService(option.WithBaseURL(server.URL), option.WithAPIToken("t"), option.WithMaxRetries(0))
		var params realtime_kit.MeetingGetMeetingByIDParams
		params.AccountID.Value, params.AccountID.Present = "a", true
		got, err := meetings.GetMeetingByID(t.Context(), "a", "m", params)
		if err != nil {
			t.Errorf("%s: %v", body, err)
		} else if complaints := strings.Join(judge(got), "; "); complaints != want {
			t.Errorf("%s: %q, want %q", body, complaints, want)
		}
		server.Close()
	}
}
