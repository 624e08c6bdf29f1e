package content

import (
	"net/url"
	"sync"

	"github.com/microcosm-cc/bluemonday"

	"github.com/parley-chat/parley/internal/chat"
)

// maxRounds is how often HTML is sanitised until nothing changes any more.
const maxRounds = 4

// sanitise keeps of a piece of HTML what formats text: no scripts, styles,
// forms, frames, ids or classes, and only complete http, https and mailto
// links. Images come along only where links to other places are allowed at
// all, since showing one tells its host who reads. HTML that does not settle
// within a few rounds is refused: if we cannot agree with ourselves on what it
// means, a browser may read a third thing.
func sanitise(html string, images bool) (string, error) {
	policy := textPolicy()
	if images {
		policy = imagePolicy()
	}
	for range maxRounds {
		clean := policy.Sanitize(html)
		if clean == html {
			return clean, nil
		}
		html = clean
	}
	return "", chat.Refuse(chat.Invalid, "the HTML of this message is malformed")
}

var (
	textPolicy  = sync.OnceValue(newPolicy)
	imagePolicy = sync.OnceValue(func() *bluemonday.Policy {
		p := newPolicy()
		p.AllowAttrs("src").OnElements("img")
		p.AllowAttrs("alt").Matching(bluemonday.Paragraph).OnElements("img")
		p.AllowAttrs("height", "width").Matching(bluemonday.NumberOrPercent).OnElements("img")
		return p
	})
)

// newPolicy is the library's policy for users' content less ids (they shadow
// variables of the page), relative links (they would lead to whatever site
// shows the message), maps and images.
func newPolicy() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(false)
	p.AllowURLSchemes("mailto")
	p.AllowURLSchemeWithCustomPolicy("http", hasPlainHost)
	p.AllowURLSchemeWithCustomPolicy("https", hasPlainHost)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	p.AddTargetBlankToFullyQualifiedLinks(true)

	p.AllowAttrs("dir").Matching(bluemonday.Direction).Globally()
	p.AllowAttrs("title").Matching(bluemonday.Paragraph).Globally()
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("cite").OnElements("blockquote", "q")
	p.AllowAttrs("datetime").Matching(bluemonday.ISO8601).OnElements("time")
	p.AllowElements(
		"article", "aside", "section", "figure", "figcaption", "details", "summary",
		"h1", "h2", "h3", "h4", "h5", "h6", "hgroup",
		"br", "div", "hr", "p", "span", "wbr",
		"abbr", "acronym", "cite", "code", "dfn", "em", "kbd", "mark", "s", "samp", "strong", "sub", "sup", "var",
		"b", "i", "pre", "small", "strike", "tt", "u", "del", "ins",
		"bdi", "bdo", "rp", "rt", "ruby",
	)
	p.AllowLists()
	p.AllowTables()
	return p
}

// hasPlainHost refuses URLs that browsers would complete ("https:x") or that
// show another host than they lead to ("https://bank.example@x/").
func hasPlainHost(u *url.URL) bool { return u.Opaque == "" && u.User == nil && validHost(u) }
