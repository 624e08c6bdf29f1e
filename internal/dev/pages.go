package dev

import (
	"encoding/json"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/parley-chat/parley/internal/auth"
	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/server"
)

// Handler serves the demo page, its tokens and metrics beside the server's own
// handler.
// The page's files are those of demo, below /demo/.
func Handler(s *server.Server, setup Setup, demo fs.FS, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /demo/", noStore(http.StripPrefix("/demo/", http.FileServerFS(demo))))
	mux.Handle("GET /demo/session", noStore(session(s, setup, log)))
	mux.Handle("GET /metrics", s.Operations())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/demo/", http.StatusFound) })
	mux.Handle("/", s.Handler())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if local(r.Host) {
			mux.ServeHTTP(w, r)
			return
		}
		s.Handler().ServeHTTP(w, r)
	})
}

// local tells whether a request was made to this machine by a name that cannot
// be anybody else's. The demo is for such requests only: with another name
// pointed at this machine, a page of a stranger could get at its tokens (DNS
// rebinding). Names below localhost are the API's.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip.IsLoopback()
}

// noStore keeps the demo's pages and tokens out of caches.
func noStore(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	})
}

// demoSession is what the demo page asks for first.
type demoSession struct {
	Meeting      demoMeeting       `json:"meeting"`
	Participants []demoParticipant `json:"participants"`
}

type demoMeeting struct {
	ID    chat.MeetingID `json:"id"`
	Title string         `json:"title"`
}

type demoParticipant struct {
	Name  string `json:"name"`
	Token string `json:"token"`
}

// session gives the people of the demo meeting, each with a fresh token.
func session(s *server.Server, setup Setup, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer demoSession
		for _, id := range setup.People {
			access, err := s.Directory.Access(r.Context(), setup.Meeting, id)
			if err == nil {
				answer.Meeting = demoMeeting{access.Meeting.ID, access.Meeting.Title}
				var token string
				token, err = s.Tokens.Mint(auth.Identity{App: setup.App, Meeting: setup.Meeting, Participant: id}, access.Preset.ID)
				answer.Participants = append(answer.Participants, demoParticipant{access.Participant.Name, token})
			}
			if err != nil {
				log.Error("the demo has no participants", "err", err)
				http.Error(w, "the demo meeting cannot be used", http.StatusInternalServerError)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	})
}
