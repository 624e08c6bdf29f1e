package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/parley-chat/parley/internal/bench"
)

func TestRawSendsBackWhatItHasStored(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	log := newRawLog(file)
	go log.commit()
	here, there := net.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = log.serve(there, bufio.NewReader(there))
	}()
	text := []byte(bench.NewText(bench.TextBytes))
	want := append([]byte{0x82, 126, 0, byte(len(text))}, text...)
	for n := 1; n <= 2; n++ {
		if _, err := here.Write(bench.ClientFrame(2, text)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(here, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("message %d came back as %q, %v; want %q", n, got, err, want)
		}
		if stored, err := os.ReadFile(name); err != nil || !bytes.Equal(stored, bytes.Repeat(want, n)) {
			t.Fatalf("after message %d the file has %d bytes, %v; want %d", n, len(stored), err, n*len(want))
		}
	}
	if err := here.Close(); err != nil {
		t.Fatal(err)
	}
	<-served
	log.end()
}
