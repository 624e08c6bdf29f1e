// Command dashboard writes packaging/grafana/parley.json, the dashboard for
// Grafana, from the table of its panels and that of the metrics. Run it at the top
// of the repository.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/parley-chat/parley/internal/metrics"
)

func main() {
	page, err := encode(dashboard(rows, metrics.Families()))
	if err == nil {
		err = os.WriteFile(filepath.Join("packaging", "grafana", "parley.json"), page, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", err)
		os.Exit(1)
	}
}

// encode writes JSON as Grafana exports it.
func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(value)
	return out.Bytes(), err
}

// named finds the metrics of an expression.
var named = regexp.MustCompile(`\bparley_[a-z_]+`)

// description tells of a panel what the table says of its metrics: what they mean
// and what to do when they move.
func description(p panel, families []metrics.Family) string {
	var said []string
	for _, q := range p.queries {
		for _, name := range named.FindAllString(q.expr, -1) {
			i := slices.IndexFunc(families, func(f metrics.Family) bool {
				return slices.Contains([]string{f.Name, f.Name + "_bucket", f.Name + "_sum", f.Name + "_count"}, name)
			})
			if i < 0 {
				continue // the test of the dashboard names it
			}
			line := "**" + families[i].Name + "**: " + families[i].Help
			if act := families[i].Act; act != "No action." {
				line += " " + act
			}
			if !slices.Contains(said, line) {
				said = append(said, line)
			}
		}
	}
	return strings.Join(said, "\n\n")
}
