package main

import (
	"strconv"
	"strings"

	"github.com/parley-chat/parley/internal/metrics"
)

// object is one of JSON.
type object = map[string]any

// row is a heading, and the panels below it.
type row struct {
	title  string
	panels []panel
}

// panel is a graph, or with single set one number.
type panel struct {
	title   string
	unit    string // by Grafana's names; "" for plain numbers
	queries []query
	single  bool
	stacked bool
	// byName shows the legend of a single one in place of its value.
	byName bool
	// states are names for the values 0, 1 and so on.
	states []string
	// badFrom and goodFrom are where values turn red or green; nil for nowhere. At
	// most one of them is set.
	badFrom, goodFrom any
	max               any // the end of the axis, nil for whatever there is
}

// query is an expression, in which $s stands for the servers that are chosen, and
// what its series are called.
type query struct{ expr, legend string }

// chosen is what the variables of the dashboard choose.
const chosen = `job=~"$job",instance=~"$instance"`

// source is the variable by which one chooses the Prometheus to ask.
var source = object{"type": "prometheus", "uid": "${datasource}"}

// The grid of Grafana is 24 wide.
const (
	gridWidth                  = 24
	graphWidth, graphHeight    = 8, 8
	singleWidth, singlesHeight = 3, 4
)

// dashboard makes the whole file. It is in the form of Grafana 11, which later
// ones bring up to date by themselves.
func dashboard(rows []row, families []metrics.Family) object {
	panels, id, y := []any{}, 0, 0
	add := func(p object, x, w, h int) {
		id++
		p["id"], p["gridPos"] = id, object{"x": x, "y": y, "w": w, "h": h}
		panels = append(panels, p)
	}
	for _, r := range rows {
		add(object{"type": "row", "title": r.title, "collapsed": false, "panels": []any{}}, 0, gridWidth, 1)
		y++
		x, height := 0, 0
		for _, p := range r.panels {
			w, h := graphWidth, graphHeight
			if p.single {
				w, h = singleWidth, singlesHeight
			}
			if x+w > gridWidth || (height != 0 && h != height) {
				x, y = 0, y+height
			}
			add(p.object(description(p, families)), x, w, h)
			x, height = x+w, h
		}
		y += height
	}
	return object{
		"uid": "parley", "title": "Parley", "tags": []string{"parley"},
		"description":   "A Parley server: what to do when something moves stands at each panel, and in docs/metrics.md.",
		"schemaVersion": 39, "version": 1, "editable": true, "graphTooltip": 1, "refresh": "30s", "timezone": "browser",
		"time":        object{"from": "now-6h", "to": "now"},
		"annotations": object{"list": []any{starts()}},
		"templating":  object{"list": []any{dataSource(), choice("job", "Job", "label_values(parley_build_info, job)"), choice("instance", "Server", `label_values(parley_build_info{job=~"$job"}, instance)`)}},
		"links":       []any{}, "panels": panels,
	}
}

// starts marks when a server was started.
func starts() object {
	return object{
		"name": "Starts", "enable": true, "iconColor": "blue", "datasource": source, "useValueForTime": true,
		"expr": "parley_start_time_seconds{" + chosen + "} * 1000", "step": "60s", "titleFormat": "Started", "textFormat": "{{instance}}",
	}
}

func dataSource() object {
	return object{
		"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus", "refresh": 1, "hide": 0,
		"multi": false, "includeAll": false, "regex": "", "options": []any{}, "current": object{"text": "default", "value": "default"},
	}
}

func choice(name, label, from string) object {
	return object{
		"type": "query", "name": name, "label": label, "datasource": source, "definition": from,
		"query": object{"query": from, "refId": "choose-" + name}, "refresh": 2, "sort": 1, "hide": 0,
		"multi": true, "includeAll": true, "allValue": ".+", "regex": "", "options": []any{},
		"current": object{"text": []string{"All"}, "value": []string{"$__all"}},
	}
}

func (p panel) object(description string) object {
	targets := make([]any, len(p.queries))
	for i, q := range p.queries {
		targets[i] = object{
			"refId": string(rune('A' + i)), "datasource": source, "editorMode": "code",
			"expr": strings.ReplaceAll(q.expr, "$s", chosen), "legendFormat": q.legend, "range": !p.single, "instant": p.single,
		}
	}
	o := object{
		"title": p.title, "description": description, "datasource": source, "targets": targets,
		"type": "timeseries", "fieldConfig": object{"defaults": p.defaults(), "overrides": []any{}}, "options": p.options(),
	}
	if p.single {
		o["type"] = "stat"
	}
	return o
}

func (p panel) options() object {
	if !p.single {
		return object{
			"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []any{}},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		}
	}
	mode := "value"
	if p.byName {
		mode = "name"
	}
	return object{
		"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		"colorMode":     "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": mode,
	}
}

// defaults are unit, colors and names of values.
func (p panel) defaults() object {
	d := object{"unit": "short", "mappings": []any{}, "thresholds": object{"mode": "absolute", "steps": p.steps()}}
	if p.unit != "" {
		d["unit"] = p.unit
	}
	if p.max != nil {
		d["max"] = p.max
	}
	if !p.single {
		stacking := object{"mode": "none", "group": "A"}
		fill := 10
		if p.stacked {
			stacking["mode"], fill = "normal", 40
		}
		d["min"], d["color"] = 0, object{"mode": "palette-classic"}
		d["custom"] = object{
			"drawStyle": "line", "lineWidth": 1, "fillOpacity": fill, "showPoints": "never", "spanNulls": false, "stacking": stacking,
		}
		if p.badFrom != nil {
			d["custom"].(object)["thresholdsStyle"] = object{"mode": "line"}
		}
		return d
	}
	d["color"] = object{"mode": "thresholds"}
	if len(p.states) > 0 {
		named := object{}
		for i, s := range p.states {
			named[strconv.Itoa(i)] = object{"text": s, "index": i}
		}
		d["mappings"] = []any{object{"type": "value", "options": named}}
	}
	return d
}

func (p panel) steps() []any {
	switch {
	case p.badFrom != nil:
		return []any{object{"color": "green", "value": nil}, object{"color": "red", "value": p.badFrom}}
	case p.goodFrom != nil:
		return []any{object{"color": "red", "value": nil}, object{"color": "green", "value": p.goodFrom}}
	}
	return []any{object{"color": "text", "value": nil}}
}
