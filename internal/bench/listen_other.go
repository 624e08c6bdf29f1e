//go:build !linux

package bench

// listener has each line read by a goroutine.
type listener struct{ again func(*Line) error }

// listen begins to read the lines that hear is called for.
func (l *load) listen(again func(*Line) error) error {
	l.listener.again = again
	return nil
}

// hear has a line read from now on.
func (l *load) hear(line *Line) error {
	l.hearing.Go(func() { l.failed(l.readAll(&ear{line: line}, l.listener.again)) })
	return nil
}

// deaf frees what the listener has.
func (*load) deaf() {}

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
