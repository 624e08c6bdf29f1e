package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/parley-chat/parley/internal/directory"
)

// single is the envelope of one thing.
type single[T any] struct {
	Success bool `json:"success"`
	Data    T    `json:"data"`
}

// list is the envelope of one page of a list.
type list[T any] struct {
	Success bool   `json:"success"`
	Data    []T    `json:"data"`
	Paging  paging `json:"paging"`
}

// paging tells which rows of all a page holds: counted from 1, both ends
// included, both 0 on an empty page.
type paging struct {
	TotalCount  int `json:"total_count"`
	StartOffset int `json:"start_offset"`
	EndOffset   int `json:"end_offset"`
}

// listOf makes the envelope of a page of the directory.
func listOf[T, W any](page directory.Page[T], wire func(T) W) list[W] {
	l := list[W]{Success: true, Data: make([]W, 0, len(page.Rows)), Paging: paging{TotalCount: page.Total}}
	for _, row := range page.Rows {
		l.Data = append(l.Data, wire(row))
	}
	if len(page.Rows) > 0 {
		l.Paging.StartOffset, l.Paging.EndOffset = page.Offset+1, page.Offset+len(page.Rows)
	}
	return l
}

// PageQuery is what all lists may be asked for. Empty values are as good as
// none. Like all that inputs embed, it has to be exported to be seen by huma.
type PageQuery struct {
	PageNo  int `query:"page_no" minimum:"0" doc:"The page, counted from 1. Default 1."`
	PerPage int `query:"per_page" minimum:"0" doc:"The rows on a page, at most 100. Default 25."`
}

func (q PageQuery) list() directory.List { return directory.List{Page: q.PageNo, Size: q.PerPage} }

// jsonFormat reads and writes bodies. A body that is not UTF-8 is refused,
// where encoding/json would change it in silence.
var jsonFormat = huma.Format{
	Marshal: writeJSON,
	Unmarshal: func(data []byte, v any) error {
		if !utf8.Valid(data) {
			return errors.New("the body is not valid UTF-8")
		}
		return json.Unmarshal(data, v)
	},
}

// writeJSON fails only where v cannot be encoded. That the other side has gone
// is no error of this one.
func writeJSON(w io.Writer, v any) error {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, _ = w.Write(body.Bytes())
	return nil
}

// answer writes a JSON answer outside huma.
func (a *api) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := writeJSON(w, v); err != nil {
		a.log.Error("an answer could not be encoded", "err", err)
	}
}
