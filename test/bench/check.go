package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/internal/bench"
)

// errUnjudged says that nothing was missed, but not everything could be judged.
var errUnjudged = errors.New("refused to judge")

// check measures everything and judges it.
type check struct {
	out    io.Writer
	only   string
	rounds int
	scale  float64
}

// shorter are the scales of loads that tell as much in less time, so that the
// whole takes 20 minutes on two cores.
var shorter = map[string]float64{
	"W1-1": 0.5, "W1-32": 0.25, "W1x-1": 0.25, "W1x-32": 0.25, "W2-paced": 0.5,
	"W4-1": 0.5, "W4-64": 0.5, "W4-256": 0.5, "W4-1024": 0.5,
}

func (c *check) run(ctx context.Context) error {
	a, err := newArena(c.out)
	if err != nil {
		return err
	}
	defer a.close()
	all, err := bench.Named(c.only, c.scale)
	if err != nil {
		return err
	}
	began := time.Now()
	_, _ = fmt.Fprintf(c.out, "%s\n%s, commit %s, medians of %d rounds\n\n", machine(), began.UTC().Format("2 January 2006 15:04 UTC"), commit(ctx), c.rounds)
	_, _ = fmt.Fprintln(c.out, "| load | server | figure | median | min | max |\n| --- | --- | --- | --- | --- | --- |")
	measured, people := make(samples), make(map[string]int)
	for _, w := range all {
		people[w.Name] = w.People
		if times, ok := shorter[w.Name]; ok {
			loads, err := bench.Named(w.Name, c.scale*times)
			if err != nil {
				return err
			}
			w = loads[0]
		}
		servers := a.servers(w)
		if strings.HasPrefix(w.Name, "W1x") { // the floor is long, and nothing is judged by it
			servers = slices.DeleteFunc(servers, func(d bench.Dialect) bool { return d.Name() == "floor" })
		}
		results, err := a.play(ctx, w, servers, c.rounds)
		if err != nil {
			return err
		}
		for _, d := range servers {
			c.tell(w.Name, d.Name(), measured.take(w.Name, d.Name(), results[d.Name()]))
		}
	}
	if values := measured.further("W1-32", "W1x-32", people); len(values) > 0 {
		c.tell("W1x-32", "parley", []told{{name: perFurther + ", beside W1-32", values: values}})
	}
	wanted := slices.DeleteFunc(goals(), func(g goal) bool {
		return !slices.ContainsFunc(all, func(w bench.Workload) bool { return w.Name == g.load })
	})
	err = c.judge(judge(wanted, known(), measured))
	_, _ = fmt.Fprintf(c.out, "\n%.1f minutes\n", time.Since(began).Minutes())
	return err
}

// take notes the figures of a load on a server, and gives them as one list of
// rounds for each figure.
func (s samples) take(load, server string, results []bench.Result) []told {
	var all []told
	add := func(name, unit string, value float64) {
		f := figure{load, server, name}
		if len(s[f]) == 0 {
			all = append(all, told{name: name, unit: unit})
		}
		s[f] = append(s[f], value)
		for i := range all {
			if all[i].name == name {
				all[i].values = s[f]
			}
		}
	}
	for _, r := range results {
		for _, f := range r.Figures {
			add(f.Name, f.Unit, f.Value)
		}
		if r.Deliveries == 0 {
			continue
		}
		add(perMillion, "", r.PerMillion())
		add(perSecond, "", r.PerSecond())
		if r.P99 > 0 {
			add(p50, "ms", bench.Milliseconds(r.P50))
			add("p99", "ms", bench.Milliseconds(r.P99))
		}
		if r.Mallocs > 0 {
			add(perOne, "", r.PerDelivery())
		}
	}
	return all
}

// told is a figure with the values of all rounds.
type told struct {
	name, unit string
	values     []float64
}

func (c *check) tell(load, server string, figures []told) {
	for _, f := range figures {
		name := f.name
		if f.unit != "" {
			name += ", " + f.unit
		}
		_, _ = fmt.Fprintf(c.out, "| %s | %s | %s | %s | %s | %s |\n", load, server, name,
			digits(bench.Median(f.values)), digits(slices.Min(f.values)), digits(slices.Max(f.values)))
	}
}

// digits writes a number with as many digits as tell something.
func digits(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// judge tells verdicts, and gives the error that sums them up.
func (c *check) judge(verdicts []verdict) error {
	_, _ = fmt.Fprintln(c.out, "\n| load | goal | value | |\n| --- | --- | --- | --- |")
	count := make(map[state]int)
	var why []string
	for _, v := range verdicts {
		count[v.state]++
		_, _ = fmt.Fprintf(c.out, "| %s | %s | %s | %s |\n", v.load, v.goal, digits(v.value), v.state)
		if reason := v.load + ": " + v.why; v.state == unjudged && !slices.Contains(why, reason) {
			why = append(why, reason)
		}
	}
	var err error
	if count[unjudged] > 0 {
		err = fmt.Errorf("%w %d of %d goals. %s", errUnjudged, count[unjudged], len(verdicts), strings.Join(why, "; "))
	}
	if count[missed] > 0 {
		err = errors.Join(fmt.Errorf("%w: %d of %d goals", errMissed, count[missed], len(verdicts)), err)
	}
	return err
}

// machine tells what all this ran on.
func machine() string {
	model, kernel := runtime.GOARCH, ""
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
		_ = f.Close()
	}
	if raw, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = " " + strings.TrimSpace(string(raw))
	}
	return fmt.Sprintf("%s, %d cores, %s%s, %s", model, runtime.NumCPU(), runtime.GOOS, kernel, runtime.Version())
}

// commit tells of what source this is.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
