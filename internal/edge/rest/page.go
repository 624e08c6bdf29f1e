package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// pageStyle is all the style of the page. It is allowed by its hash.
const pageStyle = `body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
h2{font:600 1rem ui-monospace,monospace;overflow-wrap:anywhere;margin:2rem 0 0}td,th{text-align:left;vertical-align:top;padding:.2rem 1rem .2rem 0}`

// described is an operation as the page shows it.
type described struct {
	Method, Path string
	*huma.Operation
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>The REST API of Parley</title>
<style>` + pageStyle + `</style></head><body><main><h1>The REST API of Parley</h1>
<p>Everything that <a href="/openapi.json">/openapi.json</a> describes, for people.</p>
{{range .}}<section><h2 id="{{.OperationID}}">{{.Method}} {{.Path}}</h2><p>{{.Summary}}</p>
{{with .Parameters}}<table><thead><tr><th scope="col">Parameter</th><th scope="col">In</th><th scope="col">About</th></tr></thead><tbody>
{{range .}}<tr><td><code>{{.Name}}</code></td><td>{{.In}}</td><td>{{.Description}}</td></tr>
{{end}}</tbody></table>{{end}}</section>
{{end}}</main></body></html>
`))

// servePage serves the description as a page that needs no scripts and nothing
// from elsewhere.
func (a *api) servePage(all *huma.OpenAPI, paths []string) error {
	var operations []described
	for _, path := range paths {
		item := all.Paths[path]
		for _, o := range []described{
			{"GET", path, item.Get}, {"POST", path, item.Post}, {"PUT", path, item.Put}, {"PATCH", path, item.Patch}, {"DELETE", path, item.Delete},
		} {
			if o.Operation != nil {
				operations = append(operations, o)
			}
		}
	}
	var body bytes.Buffer
	if err := page.Execute(&body, operations); err != nil {
		return fmt.Errorf("writing the page of the API: %w", err)
	}
	sum := sha256.Sum256([]byte(pageStyle))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; frame-ancestors 'none'; base-uri 'none'"
	a.mux.HandleFunc("GET /openapi", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = w.Write(body.Bytes())
	})
	return nil
}
