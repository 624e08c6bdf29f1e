package server

import "github.com/parley-chat/parley/internal/room"

// Counts are what a server has counted since its start.
type Counts struct {
	// Reads is how often the database was read, apart from what transactions
	// that write read on their way.
	Reads uint64
	// LookupHits of participants were answered from memory, LookupMisses not.
	LookupHits, LookupMisses uint64
	// Histories tells the same of the newest messages of rooms.
	Histories room.HistoryCounts
}

// Counts gives the counts as they are now.
func (s *Server) Counts() Counts {
	c := Counts{Reads: s.store.Reads(), Histories: s.hub.HistoryCounts()}
	c.LookupHits, c.LookupMisses = s.store.AccessCounts()
	return c
}
