package chat

// An app speaks in its meetings by its own servers, in its own name or for one
// of their participants.

// AppAuthor is the author of what an app says in its own name. It is the app's
// id: no participant has that.
func AppAuthor(app AppID) ParticipantID { return ParticipantID(app) }

// AsApp tells whether it is the app itself that wishes.
func (a Actor) AsApp() bool { return a.App != "" && a.Participant == AppAuthor(a.App) }

// AppItself is an app as Decide needs to know it: it stands above the rules of
// its meetings.
func AppItself(app AppID) *Participant {
	return &Participant{ID: AppAuthor(app), Permissions: Permissions{
		Public: PublicChat{Send: true, Text: true, Files: true}, Private: PrivateChat{Send: true, Receive: true, Text: true, Files: true},
		Moderate: true,
	}}
}

// The refusals that an app gets where a participant gets others: it knows of
// all its meetings and all that was said in them.
var (
	errNobody = Refuse(NotFound, "there is no such participant")
	errClosed = Refuse(Conflict, "this meeting is closed")
	errNoLive = Refuse(Conflict, "this meeting has no live session: messages are sent while somebody is there")
	errEnded  = Refuse(Conflict, "the session of this message has ended: it can only be deleted")
)
