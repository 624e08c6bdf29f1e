package main

import (
	"strings"
	"testing"
)

func readAll(t *testing.T, events ...string) (tally, string) {
	t.Helper()
	var shown strings.Builder
	sum, err := read(strings.NewReader(strings.Join(events, "\n")), &shown)
	if err != nil {
		t.Fatal(err)
	}
	return sum, shown.String()
}

func TestPassedTestsAreCountedAndSilent(t *testing.T) {
	sum, shown := readAll(t,
		`{"Action":"run","Package":"a","Test":"TestOne"}`,
		`{"Action":"output","Package":"a","Test":"TestOne","Output":"=== RUN   TestOne\n"}`,
		`{"Action":"pass","Package":"a","Test":"TestOne"}`,
		`{"Action":"output","Package":"a","Output":"PASS\n"}`,
		`{"Action":"output","Package":"a","Output":"ok  \ta\t0.1s\n"}`,
		`{"Action":"pass","Package":"a"}`,
	)
	if sum.passed != 1 || sum.failed != 0 || len(sum.skipped) != 0 {
		t.Errorf("counted %+v, want one passed", sum)
	}
	if want := "ok  \ta\t0.1s\n"; shown != want {
		t.Errorf("shown %q, want %q", shown, want)
	}
}

func TestSkippedTestsAreNamed(t *testing.T) {
	sum, shown := readAll(t,
		`{"Action":"output","Package":"a","Test":"TestOne","Output":"    no browser here\n"}`,
		`{"Action":"skip","Package":"a","Test":"TestOne"}`,
		`{"Action":"output","Package":"a","Output":"ok  \ta\t0.1s\n"}`,
		`{"Action":"pass","Package":"a"}`,
	)
	if len(sum.skipped) != 1 || sum.skipped[0] != "a TestOne" {
		t.Errorf("skipped %q, want the one test", sum.skipped)
	}
	if !strings.Contains(shown, "no browser here") {
		t.Errorf("shown %q, want the reason", shown)
	}
}

func TestPackagesWithoutTestsAreNoSkips(t *testing.T) {
	sum, shown := readAll(t,
		`{"Action":"output","Package":"a","Output":"?   \ta\t[no test files]\n"}`,
		`{"Action":"skip","Package":"a"}`,
	)
	if len(sum.skipped) != 0 || shown != "" {
		t.Errorf("skipped %q, shown %q; want neither", sum.skipped, shown)
	}
}

func TestFailuresShowAllThatWasSaid(t *testing.T) {
	sum, shown := readAll(t,
		`{"Action":"output","Package":"a","Test":"TestOne","Output":"got 1, want 2\n"}`,
		`{"Action":"fail","Package":"a","Test":"TestOne"}`,
		`{"Action":"output","Package":"a","Test":"TestTwo","Output":"panic: out of luck\n"}`,
		`{"Action":"output","Package":"a","Output":"FAIL\ta\t0.1s\n"}`,
		`{"Action":"fail","Package":"a"}`,
	)
	if sum.failed != 1 {
		t.Errorf("counted %+v, want one failed", sum)
	}
	for _, want := range []string{"got 1, want 2", "panic: out of luck", "FAIL\ta"} {
		if !strings.Contains(shown, want) {
			t.Errorf("shown %q, want %q in it", shown, want)
		}
	}
}

func TestWhatDoesNotBuildIsShown(t *testing.T) {
	_, shown := readAll(t,
		`{"ImportPath":"a","Action":"build-output","Output":"a.go:1: syntax error\n"}`,
		`go: some complaint`,
	)
	if !strings.Contains(shown, "syntax error") || !strings.Contains(shown, "some complaint") {
		t.Errorf("shown %q, want both complaints", shown)
	}
}
