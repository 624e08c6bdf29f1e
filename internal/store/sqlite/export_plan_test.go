package sqlite

import (
	"context"
	"maps"
	"slices"
)

// Statements gives the text of all statements that have been prepared.
func (db *DB) Statements() []string {
	all := make(map[string]bool)
	for _, s := range []*statements{&db.reads, &db.writes} {
		s.mu.RLock()
		for text := range s.byText {
			all[text] = true
		}
		s.mu.RUnlock()
	}
	return slices.Sorted(maps.Keys(all))
}

// Plan gives how SQLite would carry out a statement, a line for each step.
func (db *DB) Plan(ctx context.Context, text string) (steps []string, err error) {
	rows, err := db.read.QueryContext(ctx, "EXPLAIN QUERY PLAN "+text, make([]any, parameters(text))...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, rows.Err()
}

// parameters counts the question marks: none stands within a string, and
// numbered ones go from 1 to at most their count.
func parameters(text string) (n int) {
	for _, c := range text {
		if c == '?' {
			n++
		}
	}
	return n
}
