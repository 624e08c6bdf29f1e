package clients_test

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// object is what a call is given: the names of the API to values.
type object = map[string]any

// fill puts values into the parameters of the official client, whose fields are
// found by their names in the API. A name that the client does not know is an
// error: then it cannot send it. (The client's own way to fill a field is in a
// package that takes minutes to compile.)
func fill(params reflect.Value, values object) error {
	for name, value := range values {
		field, err := named(params, name)
		if err != nil {
			return err
		}
		if err := put(field.FieldByName("Value"), value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		field.FieldByName("Present").SetBool(true)
	}
	return nil
}

// named finds a field by its name in a path, a query or JSON.
func named(params reflect.Value, name string) (reflect.Value, error) {
	for i := range params.NumField() {
		tag := params.Type().Field(i).Tag
		for _, kind := range []string{"json", "query", "path"} {
			if got, _, _ := strings.Cut(tag.Get(kind), ","); got == name {
				return params.Field(i), nil
			}
		}
	}
	return reflect.Value{}, fmt.Errorf("%v has no %q", params.Type(), name)
}

// put puts a value of Go or of JSON into a place of the client.
func put(place reflect.Value, value any) error {
	v := reflect.ValueOf(value)
	switch {
	case place.Type() == reflect.TypeFor[time.Time]():
		place.Set(v)
	case place.Kind() == reflect.Struct && v.Kind() == reflect.Map:
		return fill(place, value.(object))
	case place.Kind() == reflect.Slice && v.Kind() == reflect.Slice:
		place.Set(reflect.MakeSlice(place.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			if err := put(place.Index(i), v.Index(i).Interface()); err != nil {
				return err
			}
		}
	case place.Kind() == reflect.Map && v.Kind() == reflect.Map:
		place.Set(reflect.MakeMap(place.Type()))
	case v.IsValid() && v.CanConvert(place.Type()) && (place.Kind() == reflect.String) == (v.Kind() == reflect.String):
		place.Set(v.Convert(place.Type()))
	default:
		return fmt.Errorf("%v cannot be put into a %v", value, place.Type())
	}
	return nil
}
