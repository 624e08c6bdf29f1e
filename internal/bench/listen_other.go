//go:build !linux

package bench

// listen has each line read by a goroutine.
func (l *load) listen(again func(*Line) error) error {
	for _, line := range l.lines {
		l.hearing.Go(func() { l.failed(line.listen(l.heard, 16<<10, func() error { return again(line) })) })
	}
	return nil
}
