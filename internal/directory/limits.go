package directory

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley/internal/chat"
)

// Limits on what is kept here. Texts count in bytes of UTF-8.
const (
	// MaxTitle bounds the title of a meeting.
	MaxTitle = 1024
	// MaxName bounds the names of apps, presets and participants. A
	// participant's is what others see, so it is that of package chat.
	MaxName = chat.MaxDisplayName
	// MaxCustomID bounds the id an app gives to a participant.
	MaxCustomID = 256
	// MaxPicture bounds the URL of a participant's picture.
	MaxPicture = 2048
	// MaxAccount bounds the id of an account.
	MaxAccount = 64
	// MaxConfig bounds each JSON object of Settings.
	MaxConfig = 16 << 10
	// MaxPreset bounds the body of a preset.
	MaxPreset = 64 << 10
	// MaxSearch bounds the text that lists are searched for.
	MaxSearch = 256
	// MaxKeepAlive is the longest a session lives on without anybody.
	MaxKeepAlive = 10 * time.Minute
	// DefaultKeepAlive is for meetings that name none.
	DefaultKeepAlive = time.Minute
	// DefaultPageSize is for lists that name none, MaxPageSize the most rows.
	DefaultPageSize = 25
	MaxPageSize     = 100
	// maxPage keeps the arithmetic of offsets far from overflow.
	maxPage = 1 << 31
)

// Normalise brings the page and its size into their ranges: a page below 1 is
// the first, no size is DefaultPageSize, and more than MaxPageSize is that.
func (l List) Normalise() List {
	l.Page = min(max(l.Page, 1), maxPage)
	if l.Size <= 0 {
		l.Size = DefaultPageSize
	}
	l.Size = min(l.Size, MaxPageSize)
	return l
}

// Offset tells how many rows come before the page of a normalised List.
func (l List) Offset() int { return (l.Page - 1) * l.Size }

func (l List) check() error { return checkText("search", l.Search, MaxSearch) }

// checkText refuses a text that is too long or that no store could give back
// as it came. The field goes by its name in the API, for the one who reads it.
func checkText(field, text string, most int) error {
	switch {
	case len(text) > most:
		return chat.Refuse(chat.Invalid, "%q must have at most %d bytes", field, most).Beyond("field_length")
	case !utf8.ValidString(text):
		return chat.Refuse(chat.Invalid, "%q must be valid UTF-8", field)
	case strings.IndexByte(text, 0) >= 0:
		return chat.Refuse(chat.Invalid, "%q must not contain a NUL character", field)
	}
	return nil
}

func checkRequired(field, text string, most int) error {
	if text == "" {
		return chat.Refuse(chat.Invalid, "%q is required", field)
	}
	return checkText(field, text, most)
}

// checkPicture wants a URL that a browser fetches and never runs.
func checkPicture(picture string) error {
	if picture == "" {
		return nil
	}
	if err := checkText("picture", picture, MaxPicture); err != nil {
		return err
	}
	u, err := url.Parse(picture)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return chat.Refuse(chat.Invalid, `"picture" must be an http or https URL`)
	}
	return nil
}

func checkKeepAlive(d time.Duration) error {
	if d < time.Second || d > MaxKeepAlive || d%time.Second != 0 {
		return chat.Refuse(chat.Invalid, `"session_keep_alive_time_in_secs" must be a whole number from 1 to %d`,
			int(MaxKeepAlive/time.Second)).Beyond("field_range")
	}
	return nil
}

// checkConfig wants a JSON object, or nothing.
func checkConfig(field string, config json.RawMessage) error {
	switch {
	case len(config) == 0:
		return nil
	case len(config) > MaxConfig:
		return chat.Refuse(chat.Invalid, "%q must have at most %d bytes", field, MaxConfig).Beyond("field_length")
	case !json.Valid(config) || bytes.TrimLeft(config, " \t\r\n")[0] != '{':
		return chat.Refuse(chat.Invalid, "%q must be a JSON object", field)
	}
	return nil
}
