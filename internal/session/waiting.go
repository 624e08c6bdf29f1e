package session

import "github.com/parley-chat/parley/internal/chat"

// Waits is the error of Enter that says that a peer has to wait until it is
// let in. Nothing has been stored.
type Waits struct {
	// For is what the participant waits for.
	For chat.WaitingRoom
}

func (w *Waits) Error() string { return "the participant waits to be let in: " + string(w.For) }
