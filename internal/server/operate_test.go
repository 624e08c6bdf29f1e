package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/parley-chat/parley/internal/fault"
	"github.com/parley-chat/parley/internal/metrics"
)

// scrape gives the names and values of a scrape, by their series.
func scrape(t *testing.T, h http.Handler) (text string, series map[string]string) {
	t.Helper()
	status, text := ask(h, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("scraping gave %d %s", status, text)
	}
	series = make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			series[name] = value
		}
	}
	return text, series
}

func TestEveryMetricOfTheTableIsShown(t *testing.T) {
	s := newServer(t, Config{})
	finish, err := s.start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer finish()
	ask(s.Handler(), "/nowhere")
	ask(s.Handler(), "/ws")
	text, series := scrape(t, s.Operations())
	for _, f := range metrics.Families() {
		if !strings.Contains(text, "# TYPE "+f.Name+" "+f.Type+"\n") && f.Name != "parley_requests_total" {
			t.Errorf("%s is not shown", f.Name)
		}
	}
	for name, want := range map[string]string{
		"parley_ready": "1", "parley_sockets": "0", "parley_store_full": "0", `parley_limits_total{limit="text_length"}`: "0",
		`parley_sockets_refused_total{code="unauthorized"}`: "1", `parley_http_requests_total{status="4xx",surface="rest"}`: "1",
	} {
		if series[name] != want {
			t.Errorf("%s is %q, want %s", name, series[name], want)
		}
	}
	for _, name := range []string{"go_goroutines", "process_open_fds", "parley_disk_free_bytes", "parley_database_bytes"} {
		if series[name] == "" {
			t.Errorf("%s is not shown", name)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "parley_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestStrangersGetNoMetrics(t *testing.T) {
	s := newServer(t, Config{})
	defer s.Close()
	if status, body := ask(s.Handler(), "/metrics"); status != http.StatusNotFound || strings.Contains(body, "parley_") {
		t.Errorf("they get %d %q", status, body)
	}
}

func TestMetricsHaveAnAddressOfTheirOwn(t *testing.T) {
	s := newServer(t, Config{MetricsAddr: "127.0.0.1:0"})
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	for path, want := range map[string]string{"/metrics": "parley_build_info", "/healthz": "ok", "/v2/meetings": "404"} {
		r, err := http.Get("http://" + s.operators.Addr().String() + path) //nolint:forbidigo // the test's own time limit will do
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s gives %.200q (%v)", path, body, err)
		}
	}
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}

func TestMetricsAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = New(t.Context(), Config{
		Dir: t.TempDir(), PublicURL: "https://api.localhost", ICEAddr: "127.0.0.1:0", MetricsAddr: taken.Addr().String(),
	})
	if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("an address that is in use gave %v", err)
	}
}

// The default address is not asked for by name, and two servers on a machine
// are no mistake.
func TestDefaultMetricsAddressInUseIsNoError(t *testing.T) {
	if l, err := net.Listen("tcp", DefaultMetricsAddr); err == nil {
		defer l.Close()
	}
	var log bytes.Buffer
	s := newServer(t, Config{MetricsAddr: DefaultMetricsAddr, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer s.Close()
	if s.operators != nil || !strings.Contains(log.String(), "--metrics-addr") {
		t.Errorf("logged: %s", log.String())
	}
}

func TestPanicByHTTPIsAnswered(t *testing.T) {
	s := newServer(t, Config{Logger: slog.New(slog.DiscardHandler)})
	defer s.Close()
	web := httptest.NewServer(s.surface(metrics.REST, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		switch r.URL.Path {
		case "/late":
			_, _ = io.WriteString(w, "half an ")
			_ = http.NewResponseController(w).Flush()
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		panic("a fault of ours")
	})))
	defer web.Close()
	get := func(path string) (int, string, error) {
		r, err := web.Client().Get(web.URL + path)
		if err != nil {
			return 0, "", err
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		return r.StatusCode, string(body), err
	}
	if status, body, err := get("/"); err != nil || status != http.StatusInternalServerError || body != internalError {
		t.Errorf("answered %d %q, %v", status, body, err)
	}
	if _, _, err := get("/late"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an answer that had begun ended with %v, want it cut off", err)
	}
	if _, _, err := get("/abort"); err == nil {
		t.Error("one that was to be aborted was answered")
	}
	if n := s.observed.faults.Caught().Of(fault.HTTP); n != 2 {
		t.Errorf("%d panics were counted, want 2", n)
	}
	if _, series := scrape(t, s.Operations()); series[`parley_http_requests_total{status="5xx",surface="rest"}`] != "1" {
		t.Errorf("counted: %v", series[`parley_http_requests_total{status="5xx",surface="rest"}`])
	}
}

func TestWorkInTheBackgroundBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{observed: newObserved(slog.New(slog.DiscardHandler))}
		ctx, stop := context.WithCancel(t.Context())
		begun := 0
		s.keepOn(ctx, func(context.Context) {
			if begun++; begun < 3 {
				panic("a fault of ours")
			}
			stop()
		})
		if n := s.observed.faults.Caught().Of(fault.Background); begun != 3 || n != 2 {
			t.Errorf("begun %d times, %d panics", begun, n)
		}
		s.keepOn(ctx, func(context.Context) { panic("while it stops") })
	})
}
