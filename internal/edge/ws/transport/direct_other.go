//go:build !unix

package transport

// direct would write to a connection past what waits for it.
type direct struct{}

func (*direct) open(stream) {}

func (*direct) write(frames [][]byte) ([][]byte, error) { return frames, nil }
