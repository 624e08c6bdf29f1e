//go:build !linux

package bench

// listen has each line read by a goroutine.
func (l *load) listen(again func(*Line) error) error {
	for _, line := range l.lines {
		l.hearing.Go(func() { l.failed(l.readAll(&ear{line: line}, again)) })
	}
	return nil
}

// readAll reads until the line ends.
func (l *load) readAll(e *ear, again func(*Line) error) error {
	buf := make([]byte, 16<<10)
	for {
		n, err := e.line.Conn.Read(buf[copy(buf, e.kept):])
		if err != nil {
			return err
		}
		own, err := e.hear(l.heard, buf[:len(e.kept)+n])
		for ; own > 0 && err == nil; own-- {
			err = again(e.line)
		}
		if err != nil {
			return err
		}
	}
}
