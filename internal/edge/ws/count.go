package ws

import (
	"errors"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/edge/ws/transport"
	"github.com/parley-chat/parley/internal/room"
	"github.com/parley-chat/parley/internal/tally"
	"github.com/parley-chat/parley/protocol"
)

// Counters counts what goes on at the sockets. But for Open they count since
// the start.
type Counters struct {
	// Open is how many sockets are open, Opened how many have been.
	Open   atomic.Int64
	Opened atomic.Uint64
	// Refused are those who were not let in, by the code of the refusal.
	Refused *tally.Words
	// Closed are the sockets that have ended, by the code of the end.
	Closed *tally.Words
	// Stored is how long commands took, in nanoseconds: from being read until
	// they were stored and everybody was told.
	Stored *tally.Histogram
	// Writes are writes to sockets, and WrittenBytes what they wrote.
	Writes, WrittenBytes atomic.Uint64
	// Replayed are entries told anew to peers that came back.
	Replayed atomic.Uint64

	requests [len(requestNames)][len(outcomes)]atomic.Uint64
}

// Counters gives the counts, which go on.
func (s *Server) Counters() *Counters { return &s.counts }

// Requests gives how many requests of each kind had which outcome: Done, or
// the code of the refusal. Those that never were are left out.
func (c *Counters) Requests(one func(request, outcome string, count uint64)) {
	for i := range c.requests {
		for k := range c.requests[i] {
			if n := c.requests[i][k].Load(); n > 0 {
				one(requestNames[i], outcomes[k], n)
			}
		}
	}
}

// closeCodes are the codes by which sockets are closed here, and those of
// clients that are not unusual.
var closeCodes = []string{
	"1000", "1001", "1002", "1005", "1006", "1007", "1008", "1009", "1011", "1012", "4008", "4009", "4010",
}

func newCounters() Counters {
	return Counters{
		Refused: tally.NewWords(outcomes[1:]...),
		Closed:  tally.NewWords(closeCodes...),
		Stored: tally.NewHistogram(
			500e3, 1e6, 2.5e6, 5e6, 10e6, 25e6, 50e6, 100e6, 250e6, 500e6, 1e9, 2.5e9, 5e9, 10e9),
	}
}

// Requests as they are counted.
const (
	otherRequest = iota
	joinRequest
	sendRequest
	editRequest
	deleteRequest
	pinRequest
	historyRequest
	pageRequest
	broadcastRequest
	storeRequest
	kickRequest
)

var requestNames = [...]string{
	otherRequest: "other", joinRequest: "join", sendRequest: "send", editRequest: "edit", deleteRequest: "delete",
	pinRequest: "pin", historyRequest: "history", pageRequest: "page", broadcastRequest: "broadcast",
	storeRequest: "store", kickRequest: "kick",
}

// kinds tells how requests are counted; others are otherRequest. Private sends
// count as sends: how many there are is nobody's business.
var kinds = map[protocol.Event]int{
	protocol.JoinRoom:             joinRequest,
	protocol.SendMessageToRoom:    sendRequest,
	protocol.SendMessageToPeers:   sendRequest,
	protocol.EditMessage:          editRequest,
	protocol.DeleteMessage:        deleteRequest,
	protocol.PinMessage:           pinRequest,
	protocol.GetMessages:          historyRequest,
	protocol.GetPaginatedMessages: pageRequest,
	protocol.BroadcastMessage:     broadcastRequest,
	protocol.BroadcastToEntity:    broadcastRequest,
	protocol.StoreInsertKeys:      storeRequest,
	protocol.StoreDeleteKeys:      storeRequest,
	protocol.StoreDelete:          storeRequest,
	protocol.Kick:                 kickRequest,
	protocol.KickAll:              kickRequest,
}

// stored tells whether requests of this kind end with a commit, and not when
// they have been handled.
func stored(kind int) bool { return kind >= sendRequest && kind <= pinRequest }

// Done is the outcome of a request that was not refused.
const Done = "done"

var outcomes = [...]string{
	Done, string(chat.Invalid), string(chat.Unauthorized), string(chat.Forbidden), string(chat.NotFound),
	string(chat.Conflict), string(chat.Limited), string(chat.Unavailable), string(chat.Internal),
}

// refused counts a request that was refused.
func (c *Counters) refused(e protocol.Event, code chat.Code) {
	for k, o := range outcomes {
		if o == string(code) {
			c.requests[kinds[e]][k].Add(1)
			return
		}
	}
}

// handled counts a request that was carried out, but for those that still wait
// for their commit.
func (c *Counters) handled(e protocol.Event) {
	if kind := kinds[e]; !stored(kind) {
		c.requests[kind][0].Add(1)
	}
}

// committed counts a command that was stored.
func (c *Counters) committed(e protocol.Event, since time.Time) {
	c.requests[kinds[e]][0].Add(1)
	c.Stored.Observe(int64(time.Since(since)))
}

// wrote counts what is written in one write.
func (c *Counters) wrote(frames [][]byte) {
	n := 0
	for _, b := range frames {
		n += len(b)
	}
	c.Writes.Add(1)
	c.WrittenBytes.Add(uint64(n))
}

// ended counts the end of a socket.
func (c *Counters) ended(conn *transport.Conn) {
	c.Open.Add(-1)
	c.Closed.Add(strconv.Itoa(int(conn.Code())))
}

// limitOf tells which limit an error is about, "" for none.
func limitOf(err error) string {
	if e, ok := errors.AsType[*chat.Error](err); ok {
		return e.Limit
	}
	if e, ok := errors.AsType[*transport.CloseError](err); ok {
		return e.Limit
	}
	if e, ok := errors.AsType[*room.Closed](err); ok {
		switch e {
		case room.ClosedBehind:
			return "backlog"
		case room.ClosedSilent:
			return "keepalive"
		}
	}
	return ""
}

// writeLimit tells which limit it is that a write failed for.
func writeLimit(err error) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "slow_write"
	}
	return ""
}
