package rest

import "strings"

// mediaThings are the parts of the official API that a chat server has not, by
// the segment of a path that tells them.
var mediaThings = map[string]string{
	"recordings": "recordings", "recording": "recordings", "livestreams": "livestreams", "livestream": "livestreams",
	"active-livestream": "livestreams", "transcript": "transcripts", "active-transcript": "transcripts", "summary": "summaries",
	"peer-report": "call statistics", "analytics": "call statistics", "mute": "microphones", "mute-all": "microphones", "poll": "polls",
}

// mediaThing tells what of that a path asks for, "" for nothing.
func mediaThing(path string) string {
	for segment := range strings.SplitSeq(path, "/") {
		if thing := mediaThings[segment]; thing != "" {
			return thing
		}
	}
	return ""
}
