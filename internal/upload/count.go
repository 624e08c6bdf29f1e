package upload

import "sync/atomic"

// Counters counts what became of files, since the start.
type Counters struct {
	// Asked are uploads that were asked for and granted, Stored bodies that were
	// put to the end, of StoredBytes together, and Read files sent out.
	Asked, Stored, StoredBytes, Read atomic.Uint64
}

// Counters gives the counts, which go on.
func (s *Service) Counters() *Counters { return &s.counts }
