package metrics_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/parley-chat/parley/internal/metrics"
)

// foreign are metrics that others tell of Parley, with their labels: Prometheus,
// and node_exporter.
var foreign = map[string][]string{
	"up":                      nil,
	"node_systemd_unit_state": {"name", "state"},
	"node_systemd_timer_last_trigger_seconds": {"name"},
}

// ofScraping are labels that Prometheus adds to all that it scrapes.
var ofScraping = []string{"job", "instance"}

// seldom are the metrics whose series appear with their first count: of them, not
// every value of a label can be met here.
var seldom = []string{"parley_requests_total", "parley_http_requests_total"}

// expression is what is looked at of PromQL: which series it asks for, and by
// which labels it adds up.
type expression struct {
	selectors []selector
	by        []string
}

type selector struct {
	metric   string
	matchers []matcher
}

type matcher struct{ label, operator, value string }

var (
	strung  = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	grouped = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	asked   = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\})?`)
	matched = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"`)
)

// read reads an expression as far as it is looked at here. That it is one is for
// promtool to tell; here its brackets have to be in pairs.
func read(t *testing.T, where, expr string) expression {
	t.Helper()
	var e expression
	bare := strung.ReplaceAllString(expr, "")
	for _, pair := range []string{"()", "{}", "[]"} {
		if strings.Count(bare, pair[:1]) != strings.Count(bare, pair[1:]) {
			t.Errorf("%s: the brackets %s of %s are not in pairs", where, pair, expr)
		}
	}
	for _, m := range grouped.FindAllStringSubmatch(expr, -1) {
		for name := range strings.SplitSeq(m[1], ",") {
			e.by = append(e.by, strings.TrimSpace(name))
		}
	}
	rest := grouped.ReplaceAllString(expr, " ")
	rest = regexp.MustCompile(`\[[^\]]*\]`).ReplaceAllString(rest, " ")
	for _, m := range asked.FindAllStringSubmatchIndex(rest, -1) {
		name := rest[m[2]:m[3]]
		called := strings.HasPrefix(strings.TrimSpace(rest[m[1]:]), "(")
		if called || slices.Contains([]string{"sum", "max", "min", "or", "and", "unless"}, name) {
			continue
		}
		if m[2] > 0 && strings.ContainsAny(rest[m[2]-1:m[2]], "0123456789.$") {
			continue // a unit, or a variable
		}
		s := selector{metric: name}
		if m[4] >= 0 {
			for _, pair := range matched.FindAllStringSubmatch(rest[m[4]:m[5]], -1) {
				s.matchers = append(s.matchers, matcher{pair[1], pair[2], pair[3]})
			}
		}
		e.selectors = append(e.selectors, s)
	}
	if len(e.selectors) == 0 {
		t.Errorf("%s: %s asks for no metric", where, expr)
	}
	return e
}

// judge compares what is asked for with what a server shows.
type judge struct {
	*testing.T
	got scrape
}

// newJudge scrapes a server at which everything has happened once.
func newJudge(t *testing.T) judge {
	t.Helper()
	w := newWorld(t)
	if err := w.meet("any", 1, new(words)); err != nil {
		t.Fatal(err)
	}
	got, err := w.scrape()
	if err != nil {
		t.Fatal(err)
	}
	return judge{t, got}
}

// labels gives the labels of a metric, and whether there is one.
func (j judge) labels(metric string) (labels []string, known bool) {
	if labels, known = foreign[metric]; known {
		return labels, true
	}
	for _, s := range j.got.series {
		if s.metric == metric {
			known = true
			for name := range s.labels {
				labels = append(labels, name)
			}
		}
	}
	return labels, known
}

// want demands that a server shows what an expression asks for, with the labels
// it matches, adds up by and is told with.
func (j judge) want(where, expr, told string) {
	j.Helper()
	e := read(j.T, where, expr)
	every := slices.Clone(ofScraping)
	for _, s := range e.selectors {
		labels, known := j.labels(s.metric)
		if !known {
			j.Errorf("%s asks for %s, which is not shown", where, s.metric)
			continue
		}
		every = append(every, labels...)
		for _, m := range s.matchers {
			if !slices.Contains(append(slices.Clone(ofScraping), labels...), m.label) {
				j.Errorf("%s asks for %s by %s, which is no label of it", where, s.metric, m.label)
			}
		}
		j.wantSeries(where, s)
	}
	for _, name := range e.by {
		if !slices.Contains(every, name) {
			j.Errorf("%s adds up by %s, which is no label", where, name)
		}
	}
	for _, m := range regexp.MustCompile(`\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}`).FindAllStringSubmatch(told, -1) {
		if !slices.Contains(every, m[1]) {
			j.Errorf("%s is told with %s, which is no label", where, m[1])
		}
		if strings.Contains(expr, "sum") && !slices.Contains(e.by, m[1]) {
			j.Errorf("%s is told with %s, which is added up", where, m[1])
		}
	}
}

// wantSeries demands that there is a series of such values.
func (j judge) wantSeries(where string, asked selector) {
	j.Helper()
	if _, theirs := foreign[asked.metric]; theirs || slices.Contains(seldom, asked.metric) {
		return
	}
	for _, s := range j.got.series {
		fits := s.metric == asked.metric
		for _, m := range asked.matchers {
			if slices.Contains(ofScraping, m.label) {
				continue
			}
			is := s.labels[m.label] == m.value
			if strings.HasSuffix(m.operator, "~") {
				is = regexp.MustCompile("^(?:" + m.value + ")$").MatchString(s.labels[m.label])
			}
			fits = fits && is == !strings.HasPrefix(m.operator, "!")
		}
		if fits {
			return
		}
	}
	j.Errorf("%s asks for %s of values that it never has", where, asked.metric)
}

func file(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// board is what is read here of a dashboard.
type board struct {
	UID, Title    string
	SchemaVersion int
	Templating    struct {
		List []struct{ Name, Type string }
	}
	Panels []struct {
		ID                       int
		Type, Title, Description string
		GridPos                  struct{ X, Y, W, H int }
		Targets                  []struct {
			RefID, Expr, LegendFormat string
			Datasource                struct{ UID string }
		}
	}
}

func dashboard(t *testing.T) board {
	t.Helper()
	var b board
	if err := json.Unmarshal(file(t, "packaging/grafana/parley.json"), &b); err != nil {
		t.Fatal(err)
	}
	if b.UID == "" || b.Title == "" || b.SchemaVersion < 39 || len(b.Panels) == 0 {
		t.Fatalf("the dashboard has the id %q, the title %q, version %d and %d panels", b.UID, b.Title, b.SchemaVersion, len(b.Panels))
	}
	return b
}

func TestDashboardAsksForWhatIsShown(t *testing.T) {
	j := newJudge(t)
	b := dashboard(t)
	var variables []string
	for _, v := range b.Templating.List {
		variables = append(variables, "$"+v.Name, "${"+v.Name+"}")
	}
	for _, p := range b.Panels {
		if (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("the %s %q asks for %d things", p.Type, p.Title, len(p.Targets))
		}
		for _, target := range p.Targets {
			j.want(fmt.Sprintf("the panel %q", p.Title), target.Expr, target.LegendFormat)
			for _, v := range regexp.MustCompile(`\$(\w+|\{\w+\})`).FindAllString(target.Expr+target.Datasource.UID, -1) {
				if v != "$__rate_interval" && !slices.Contains(variables, v) {
					t.Errorf("the panel %q uses %s, which is no variable", p.Title, v)
				}
			}
			if target.Datasource.UID != "${datasource}" || !strings.Contains(target.Expr, `instance=~"$instance"`) {
				t.Errorf("the panel %q does not ask for the servers that are chosen: %s", p.Title, target.Expr)
			}
		}
		if strings.Contains(fmt.Sprint(p.Targets), "parley_") && p.Description == "" {
			t.Errorf("the panel %q does not say what it shows", p.Title)
		}
	}
}

func TestPanelsHaveRoom(t *testing.T) {
	b := dashboard(t)
	ids := make(map[int]bool)
	taken := make(map[[2]int]string)
	for _, p := range b.Panels {
		if ids[p.ID] {
			t.Errorf("the panel %q has the number of another", p.Title)
		}
		ids[p.ID] = true
		if g := p.GridPos; g.X < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
			t.Errorf("the panel %q is outside: %+v", p.Title, g)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, is := taken[[2]int{x, y}]; is {
					t.Fatalf("the panels %q and %q lie on each other", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// What asks operators to act is what they can see.
func TestDashboardShowsWhatOperatorsActOn(t *testing.T) {
	var shown []string
	for _, p := range dashboard(t).Panels {
		for _, target := range p.Targets {
			for _, s := range read(t, p.Title, target.Expr).selectors {
				shown = append(shown, base(s.metric))
			}
		}
	}
	for _, f := range metrics.Families() {
		if !strings.HasPrefix(f.Act, "No action") && !slices.Contains(shown, f.Name) {
			t.Errorf("no panel shows %s, of which docs/metrics.md says: %s", f.Name, f.Act)
		}
	}
	for _, r := range rules(t) {
		for _, s := range read(t, r.Alert, r.Expr).selectors {
			if _, theirs := foreign[s.metric]; !theirs && !slices.Contains(shown, base(s.metric)) {
				t.Errorf("no panel shows %s, of which %s alerts", s.metric, r.Alert)
			}
		}
	}
}

// base is the name of a metric as docs/metrics.md has it.
func base(metric string) string {
	for _, end := range []string{"_bucket", "_sum", "_count"} {
		if name, ok := strings.CutSuffix(metric, end); ok {
			return name
		}
	}
	return metric
}

type rule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	var page struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	d := yaml.NewDecoder(strings.NewReader(string(file(t, "packaging/prometheus/parley.rules.yml"))))
	d.KnownFields(true)
	if err := d.Decode(&page); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range page.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no rules")
	}
	return all
}

func TestRulesAskForWhatIsShown(t *testing.T) {
	j := newJudge(t)
	seen := make(map[string]bool)
	for _, r := range rules(t) {
		if r.Alert == "" || seen[r.Alert] {
			t.Errorf("%q is no name of its own", r.Alert)
		}
		seen[r.Alert] = true
		if r.For != "" {
			if _, err := time.ParseDuration(r.For); err != nil {
				t.Errorf("%s: %v", r.Alert, err)
			}
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s has the severity %q", r.Alert, r.Labels["severity"])
		}
		for _, name := range []string{"summary", "description"} {
			if !strings.HasSuffix(r.Annotations[name], ".") {
				t.Errorf("%s has the %s %q", r.Alert, name, r.Annotations[name])
			}
		}
		j.want(r.Alert, r.Expr, r.Annotations["summary"]+r.Annotations["description"])
		for _, s := range read(t, r.Alert, r.Expr).selectors {
			if !strings.HasPrefix(s.metric, "node_") && !slices.Contains(s.matchers, matcher{"job", "=", "parley"}) {
				t.Errorf("%s asks for %s of every job", r.Alert, s.metric)
			}
		}
	}
}

// The manual says on what to alert, and the rules do.
func TestManualAndRulesAgree(t *testing.T) {
	_, manual, _ := strings.Cut(string(file(t, "docs/operations.md")), "\n## Watching\n")
	manual, _, _ = strings.Cut(manual, "\n## ")
	_, list, found := strings.Cut(manual, "Alert when\n\n")
	list, _, ended := strings.Cut(list, "\n\n")
	if !found || !ended {
		t.Fatal("docs/operations.md has no list of what to alert on")
	}
	named := regexp.MustCompile("`((?:parley|process|node)_[a-z_]+)`")
	var told, asked []string
	for _, m := range named.FindAllStringSubmatch(list, -1) {
		told = append(told, m[1])
	}
	for _, r := range rules(t) {
		for _, s := range read(t, r.Alert, r.Expr).selectors {
			asked = append(asked, base(s.metric))
			if s.metric != "up" && !slices.Contains(told, base(s.metric)) {
				t.Errorf("%s alerts of %s, of which docs/operations.md does not speak", r.Alert, s.metric)
			}
		}
	}
	for _, name := range told {
		if !slices.Contains(asked, name) {
			t.Errorf("docs/operations.md wants an alert of %s, and no rule has it", name)
		}
	}
}
