package rest

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/session"
)

// sessionWire is a session as the API shows it.
type sessionWire struct {
	ID            string  `json:"id" format:"uuid"`
	AssociatedID  string  `json:"associated_id" format:"uuid" doc:"The meeting."`
	Title         string  `json:"meeting_display_name"`
	Type          string  `json:"type" enum:"meeting,livestream,participant"`
	Status        string  `json:"status" enum:"LIVE,ENDED"`
	Live          int     `json:"live_participants" doc:"Peers that are there."`
	Most          int     `json:"max_concurrent_participants" doc:"The most peers that were there at once."`
	Minutes       float64 `json:"minutes_consumed" doc:"The time of all peers together."`
	Organisation  string  `json:"organization_id" format:"uuid" doc:"The app."`
	StartedAt     stamp   `json:"started_at"`
	CreatedAt     stamp   `json:"created_at"`
	UpdatedAt     stamp   `json:"updated_at"`
	EndedAt       stamp   `json:"ended_at,omitzero"`
	BreakoutRooms []any   `json:"breakout_rooms"`
}

func wireSession(r session.Record) sessionWire {
	updated := r.StartedAt
	if !r.EndedAt.IsZero() {
		updated = r.EndedAt
	}
	return sessionWire{
		ID: string(r.ID), AssociatedID: string(r.Meeting), Title: r.Title, Type: "meeting", Status: string(r.Status()),
		Live: r.Live, Most: r.Most, Minutes: minutes(r.Spent), Organisation: string(r.App),
		StartedAt: stamp(r.StartedAt), CreatedAt: stamp(r.StartedAt), UpdatedAt: stamp(updated), EndedAt: stamp(r.EndedAt),
		BreakoutRooms: []any{},
	}
}

// minutes gives a time in minutes, to the millisecond.
func minutes(d time.Duration) float64 {
	const precise = 1e6
	return math.Round(d.Minutes()*precise) / precise
}

// IsZero lets a time that is not known be left out.
func (s stamp) IsZero() bool { return time.Time(s).IsZero() }

// pagingOf tells which rows of all a page holds.
func pagingOf(p session.Page, rows, total int) paging {
	of := paging{TotalCount: total}
	if rows > 0 {
		offset := p.Normalise().Offset()
		of.StartOffset, of.EndOffset = offset+1, offset+rows
	}
	return of
}

// sessionsAnswer wraps the list once more, as the official API does.
type sessionsAnswer struct {
	Success bool `json:"success"`
	Data    struct {
		Sessions []sessionWire `json:"sessions"`
	} `json:"data"`
	Paging paging `json:"paging"`
}

type listSessionsInput struct {
	PageQuery
	SortBy       string `query:"sort_by" enum:"minutesConsumed,createdAt" doc:"Default createdAt."`
	SortOrder    string `query:"sort_order" enum:"ASC,DESC" doc:"Default DESC."`
	StartTime    string `query:"start_time" doc:"Only sessions that started at or after this time."`
	EndTime      string `query:"end_time" doc:"Only sessions that started at or before this time."`
	Participants string `query:"participants" doc:"Only sessions with so many participants, such as 1:10."`
	Status       string `query:"status" enum:"LIVE,ENDED"`
	Search       string `query:"search" doc:"A part of the meeting's title, or the id of a session or meeting."`
	AssociatedID string `query:"associated_id" doc:"Only sessions of this meeting."`
}

func (a *api) listSessions(ctx context.Context, in *listSessionsInput) (sessionsAnswer, error) {
	answer := sessionsAnswer{Success: true}
	l, err := in.wish()
	if err != nil {
		return answer, err
	}
	rows, total, err := a.sessions.Sessions(ctx, caller(ctx).ID, l)
	if err != nil {
		return answer, a.fail(ctx, "session", err)
	}
	answer.Data.Sessions = make([]sessionWire, len(rows))
	for i, r := range rows {
		answer.Data.Sessions[i] = wireSession(r)
	}
	answer.Paging = pagingOf(l.Page, len(rows), total)
	return answer, nil
}

func (in *listSessionsInput) wish() (session.List, error) {
	l := session.List{
		Page:   session.Page{Page: in.PageNo, Size: in.PerPage, Search: in.Search, Ascending: in.SortOrder == "ASC"},
		Status: session.Status(in.Status),
	}
	if in.SortBy == "minutesConsumed" {
		l.Order = session.BySpent
	}
	var err error
	if l.From, err = instant("start_time", in.StartTime); err != nil {
		return l, err
	}
	if l.To, err = instant("end_time", in.EndTime); err != nil {
		return l, err
	}
	if in.AssociatedID != "" {
		id, ok := parseGUID(in.AssociatedID)
		if !ok {
			return l, badRequest(`"associated_id" must be a valid GUID`)
		}
		l.Meeting = chat.MeetingID(id)
	}
	l.Least, l.Most, err = numberRange("participants", in.Participants)
	if err != nil {
		return l, err
	}
	if err := l.Check(); err != nil {
		return l, badRequest("%s", err)
	}
	return l, nil
}

// numberRange reads a range such as 1:10, of which either end may be missing.
func numberRange(field, text string) (least, most int, err error) {
	if text == "" {
		return 0, 0, nil
	}
	from, to, isRange := strings.Cut(text, ":")
	number := func(text string) int {
		if text == "" {
			return 0
		}
		n, problem := strconv.ParseUint(text, 10, 31)
		if problem != nil {
			err = badRequest("%q must be a range such as 1:10", field)
		}
		return int(n)
	}
	least, most = number(from), number(to)
	if !isRange {
		most = least
	}
	if err == nil && most > 0 && least > most {
		err = badRequest("%q must be a range such as 1:10", field)
	}
	return least, most, err
}

// SessionPath is the path of a session.
type SessionPath struct {
	SessionID guid `path:"session_id"`
}

func (p SessionPath) id() chat.SessionID { return chat.SessionID(p.SessionID) }

// oneSessionWire is a session in both forms that clients look for it.
type oneSessionWire struct {
	sessionWire
	Session sessionWire `json:"session"`
}

type getSessionInput struct {
	SessionPath
	BreakoutRooms bool `query:"include_breakout_rooms" doc:"There are none."`
}

func (a *api) getSession(ctx context.Context, in *getSessionInput) (oneSessionWire, error) {
	r, err := a.sessions.Session(ctx, caller(ctx).ID, in.id())
	if err != nil {
		return oneSessionWire{}, a.fail(ctx, "session", err)
	}
	wire := wireSession(r)
	return oneSessionWire{wire, wire}, nil
}

// sessionPeerWire is one row of who was there: a peer, whose id is the id here.
type sessionPeerWire struct {
	ID          string          `json:"id" format:"uuid" doc:"The peer: one connection of a participant."`
	UserID      string          `json:"user_id" format:"uuid" doc:"The participant."`
	CustomID    string          `json:"custom_participant_id"`
	DisplayName string          `json:"display_name"`
	PresetName  string          `json:"preset_name"`
	JoinedAt    stamp           `json:"joined_at"`
	LeftAt      stamp           `json:"left_at,omitzero"`
	Duration    float64         `json:"duration" doc:"Minutes."`
	CreatedAt   stamp           `json:"created_at"`
	UpdatedAt   stamp           `json:"updated_at"`
	Events      []peerEventWire `json:"peer_events,omitempty"`
}

type peerEventWire struct {
	ID            string `json:"id"`
	PeerID        string `json:"peer_id"`
	Name          string `json:"event_name" enum:"PEER_CREATED,PEER_JOINING,PEER_LEAVING"`
	CreatedAt     stamp  `json:"created_at"`
	UpdatedAt     stamp  `json:"updated_at"`
	ParticipantID string `json:"participant_id"`
	SessionID     string `json:"session_id"`
}

func wireSessionPeer(id chat.SessionID, p session.Peer) sessionPeerWire {
	updated := p.JoinedAt
	if !p.LeftAt.IsZero() {
		updated = p.LeftAt
	}
	wire := sessionPeerWire{
		ID: string(p.ID), UserID: string(p.Participant), CustomID: p.CustomID, DisplayName: p.DisplayName, PresetName: p.PresetName,
		JoinedAt: stamp(p.JoinedAt), LeftAt: stamp(p.LeftAt), Duration: minutes(p.Spent), CreatedAt: stamp(p.JoinedAt), UpdatedAt: stamp(updated),
	}
	for _, e := range p.Events {
		name := "PEER_JOINING"
		if e.Kind != session.Joined {
			name = "PEER_LEAVING"
		}
		wire.Events = append(wire.Events, peerEventWire{
			ID: string(p.ID) + "-" + strconv.Itoa(e.No), PeerID: string(p.ID), Name: name, CreatedAt: stamp(e.At), UpdatedAt: stamp(e.At),
			ParticipantID: string(p.Participant), SessionID: string(id),
		})
	}
	return wire
}

// sessionPeersAnswer has the paging in both places where clients look for it.
type sessionPeersAnswer struct {
	Success bool `json:"success"`
	Data    struct {
		Participants []sessionPeerWire `json:"participants"`
		Paging       paging            `json:"paging"`
	} `json:"data"`
	Paging paging `json:"paging"`
}

type listSessionPeersInput struct {
	SessionPath
	PageQuery
	Search    string `query:"search" doc:"A part of the display name, or an id."`
	SortBy    string `query:"sort_by" enum:"joinedAt,duration" doc:"Default joinedAt."`
	SortOrder string `query:"sort_order" enum:"ASC,DESC" doc:"Default DESC."`
	Events    bool   `query:"include_peer_events"`
	View      string `query:"view" enum:"raw,consolidated" doc:"raw shows each peer, consolidated each participant. Default raw."`
}

func (a *api) listSessionPeers(ctx context.Context, in *listSessionPeersInput) (sessionPeersAnswer, error) {
	answer := sessionPeersAnswer{Success: true}
	l := session.PeerList{
		Page:         session.Page{Page: in.PageNo, Size: in.PerPage, Search: in.Search, Ascending: in.SortOrder == "ASC"},
		Consolidated: in.View == "consolidated", Events: in.Events,
	}
	if in.SortBy == "duration" {
		l.Order = session.BySpent
	}
	if err := l.Check(); err != nil {
		return answer, badRequest("%s", err)
	}
	rows, total, err := a.sessions.SessionPeers(ctx, caller(ctx).ID, in.id(), l)
	if err != nil {
		return answer, a.fail(ctx, "session", err)
	}
	answer.Data.Participants = make([]sessionPeerWire, len(rows))
	for i, p := range rows {
		answer.Data.Participants[i] = wireSessionPeer(in.id(), p)
	}
	answer.Paging = pagingOf(l.Page, len(rows), total)
	answer.Data.Paging = answer.Paging
	return answer, nil
}

type getSessionPeerInput struct {
	SessionPath
	PeerID guid `path:"participant_id" doc:"The peer."`
	Events bool `query:"include_peer_events"`
}

type oneSessionPeerWire struct {
	Participant sessionPeerWire `json:"participant"`
}

func (a *api) getSessionPeer(ctx context.Context, in *getSessionPeerInput) (oneSessionPeerWire, error) {
	p, err := a.sessions.SessionPeer(ctx, caller(ctx).ID, in.id(), chat.PeerID(in.PeerID))
	if err != nil {
		return oneSessionPeerWire{}, a.fail(ctx, "participant", err)
	}
	if !in.Events {
		p.Events = nil
	}
	return oneSessionPeerWire{wireSessionPeer(in.id(), p)}, nil
}

// whole registers an operation whose answer is all of the body.
func whole[I, B any](to huma.API, route, id, summary string, handle func(context.Context, *I) (B, error)) {
	type answer struct{ Body B }
	huma.Register(to, operation(to, http.StatusOK, route, id, summary), func(ctx context.Context, in *I) (*answer, error) {
		body, err := handle(ctx, in)
		if err != nil {
			return nil, err
		}
		return &answer{Body: body}, nil
	})
}
