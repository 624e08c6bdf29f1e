package upload

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"

	"golang.org/x/image/webp"
)

const (
	// headerBytes is how far into a file its dimensions are looked for. A JPEG
	// may have metadata before them.
	headerBytes = 4 << 20
	// maxSide and maxPixels are the largest image that is one: what comes out
	// of cameras is smaller, and viewers need four bytes for each pixel.
	maxSide   = 1 << 16
	maxPixels = 1 << 27
)

const unknownType = "application/octet-stream"

// imageHeaders reads the dimensions of the formats that are shown in pages. No
// pixel is decoded.
var imageHeaders = map[string]func(io.Reader) (image.Config, error){
	"image/gif":  gif.DecodeConfig,
	"image/jpeg": jpeg.DecodeConfig,
	"image/png":  png.DecodeConfig,
	"image/webp": webp.DecodeConfig,
}

// mediaType finds the type of a file in its bytes.
func mediaType(file io.Reader) (string, error) {
	head := make([]byte, 512) // as much as http.DetectContentType looks at
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", fmt.Errorf("reading the beginning of a file: %w", err)
	}
	head = head[:n]
	found := http.DetectContentType(head)
	decode := imageHeaders[found]
	if decode == nil {
		return found, nil
	}
	if !plausible(decode(io.LimitReader(io.MultiReader(bytes.NewReader(head), file), headerBytes))) {
		return unknownType, nil
	}
	return found, nil
}

// plausible judges what came of reading a header.
func plausible(c image.Config, err error) bool {
	return err == nil && 0 < c.Width && c.Width <= maxSide && 0 < c.Height && c.Height <= maxSide && c.Width*c.Height <= maxPixels
}
