package upload

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"
)

// FuzzMediaType takes any bytes for a file. What is called an image has
// dimensions within bounds, and nothing is called by a type that browsers run.
func FuzzMediaType(f *testing.F) {
	picture := image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.Black, color.White})
	for _, encode := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return png.Encode(b, picture) },
		func(b *bytes.Buffer) error { return jpeg.Encode(b, picture, nil) },
		func(b *bytes.Buffer) error { return gif.Encode(b, picture, nil) },
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
		f.Add(b.Bytes()[:b.Len()/2])
	}
	f.Add([]byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"))
	f.Add([]byte("<svg onload=alert(1)>"))
	f.Add([]byte("<!DOCTYPE html><script>"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		found, err := mediaType(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("bytes in memory could not be read: %v", err)
		}
		if decode := imageHeaders[found]; decode != nil {
			c, err := decode(bytes.NewReader(raw))
			if err != nil || c.Width <= 0 || c.Height <= 0 || c.Width > maxSide || c.Height > maxSide || c.Width*c.Height > maxPixels {
				t.Fatalf("%s of %d by %d, %v", found, c.Width, c.Height, err)
			}
		}
		served, inline := servedAs(found)
		if inline && imageHeaders[served] == nil || !inline && served != unknownType && !passiveTypes[served] {
			t.Fatalf("%q is served as %q, shown %t", found, served, inline)
		}
	})
}
