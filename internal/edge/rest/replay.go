package rest

import (
	"context"

	"github.com/parley-chat/parley/internal/follow/export"
)

type chatLinkInput struct {
	SessionPath
	Format string `query:"format" enum:"csv,safe-csv" doc:"csv is byte for byte what was said; safe-csv has nothing that a spreadsheet would run. Default csv."`
}

type chatLinkWire struct {
	URL    string `json:"chat_download_url" format:"uri"`
	Expiry stamp  `json:"chat_download_url_expiry"`
}

// chatLink gives a fresh link to what was said in a session, so far if it is
// live. The file is made when somebody follows the link.
func (a *api) chatLink(ctx context.Context, in *chatLinkInput) (chatLinkWire, error) {
	format := export.CSV
	if in.Format != "" {
		format = export.Format(in.Format)
	}
	link, expires, err := a.exports.Link(ctx, caller(ctx).ID, in.id(), format)
	if err != nil {
		return chatLinkWire{}, a.fail(ctx, "session", err)
	}
	if err := a.record(ctx); err != nil {
		return chatLinkWire{}, err
	}
	return chatLinkWire{URL: link, Expiry: stamp(expires)}, nil
}
