package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/parley-chat/parley/internal/metrics"
)

func TestThePageIsUpToDate(t *testing.T) {
	got, err := os.ReadFile(filepath.Join("..", "..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, page(metrics.Families())) {
		t.Error("docs/metrics.md is not that of internal/metrics/table.go: make pages, and commit it")
	}
}
