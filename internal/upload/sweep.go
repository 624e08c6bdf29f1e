package upload

import (
	"context"
	"fmt"
	"time"
)

const (
	sweepEvery = 5 * time.Minute
	sweepBatch = 200
)

// Run collects what nobody uses, now and every few minutes, until ctx ends:
// uploads that no message refers to, and bytes that no upload points to.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("unused uploads could not be collected; will try again", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweep collects what is due. The store is told first that uploads are gone,
// then their bytes go, then the store forgets where they were; so whatever
// interrupts it, the next sweep goes on.
func (s *Service) sweep(ctx context.Context) error {
	now := s.now()
	for {
		n, err := s.store.DropUploads(ctx, now.Add(-AttachFor), now, sweepBatch)
		if err != nil {
			return fmt.Errorf("dropping unused uploads: %w", err)
		}
		if n > 0 {
			s.log.Debug("unused uploads dropped", "count", n)
		}
		if n < sweepBatch {
			break
		}
	}
	for {
		keys, err := s.store.LooseBlobs(ctx, now, sweepBatch)
		if err != nil {
			return fmt.Errorf("listing unused files: %w", err)
		}
		for _, key := range keys {
			if err := s.blobs.Delete(ctx, key); err != nil {
				return fmt.Errorf("deleting an unused file: %w", err)
			}
		}
		if err := s.store.ForgetBlobs(ctx, keys); err != nil {
			return fmt.Errorf("forgetting unused files: %w", err)
		}
		if len(keys) < sweepBatch {
			return nil
		}
	}
}

// discard deletes the bytes of a key that is on the list of loose blobs. What
// it cannot delete now, a sweep will.
func (s *Service) discard(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := s.blobs.Delete(ctx, key)
	if err == nil {
		err = s.store.ForgetBlobs(ctx, []string{key})
	}
	if err != nil {
		s.log.Warn("an unused file could not be deleted; will try again", "key", key, "err", err)
	}
}
