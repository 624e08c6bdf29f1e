package upload

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

func TestAClientThatSendsNothingIsGivenUp(t *testing.T) {
	outcome := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := &body{source: r.Body, connection: http.NewResponseController(w), stall: 20 * time.Millisecond}
		_, err := io.ReadAll(b)
		if !errors.Is(b.err, err) {
			t.Errorf("reading gives %v, and %v is remembered", err, b.err)
		}
		outcome <- err
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	if err := <-outcome; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the body ends with %v, want a deadline", err)
	}
}
