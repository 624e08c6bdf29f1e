package rest

import (
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// field is a field of a patch, which may be absent, null or a value: three
// things that Go's zero values do not tell apart.
type field[T any] struct {
	value          T
	isSent, isNull bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *field[T]) UnmarshalJSON(raw []byte) error {
	f.isSent, f.isNull = true, string(raw) == "null"
	if f.isNull {
		return nil
	}
	return json.Unmarshal(raw, &f.value)
}

// Schema implements huma.SchemaProvider.
func (f field[T]) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[T](), false, "")
	s.Nullable = true
	return &s
}

// sent gives the value, where one was sent; that of null is zero.
func (f field[T]) sent() *T {
	if !f.isSent {
		return nil
	}
	return &f.value
}

// into puts the value, where one was sent, into its place.
func (f field[T]) into(place *T) {
	if f.isSent {
		*place = f.value
	}
}

// anyJSON is whatever JSON was sent, as it was sent.
type anyJSON struct{ raw json.RawMessage }

// UnmarshalJSON implements json.Unmarshaler.
func (j *anyJSON) UnmarshalJSON(raw []byte) error {
	j.raw = append(j.raw[:0], raw...)
	return nil
}

// Schema implements huma.SchemaProvider.
func (anyJSON) Schema(huma.Registry) *huma.Schema { return &huma.Schema{} }
