// Package web carries the built browser files of Parley inside the binary: the
// browser SDK and the demo page that runs on it.
//
// It only holds the files. Which paths they are served under, and with which
// headers, is decided where they are served. The sources are in sdk and demo;
// "npm run build" makes dist from them, and dist is committed so that building
// the server needs nothing but Go.
package web

import (
	"embed"
	"io/fs"
)

//go:embed dist/demo
var demo embed.FS

//go:embed dist/parley-client.js dist/parley-client.iife.js
var sdk embed.FS

// Demo returns the demo page: index.html and the files it names by relative
// paths. The page asks its own origin for "/demo/session", which answers with
// the meeting and the tokens to join it, and expects the whole of Parley on
// that origin.
func Demo() fs.FS {
	return sub(demo, "dist/demo")
}

// SDK returns the browser SDK: parley-client.js, an ES module, and
// parley-client.iife.js, a script that sets the global Parley.
func SDK() fs.FS {
	return sub(sdk, "dist")
}

func sub(files embed.FS, dir string) fs.FS {
	tree, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // only for an invalid path, and the paths are constants
	}
	return tree
}
