package chat

// ErrKicked answers a peer that was sent out of its meeting. Its id does not
// come back; the participant may, by a new one, for the token stays good.
var ErrKicked = Refuse(Forbidden, "you were removed from this meeting")

// ErrEnded answers a peer that was sent out with everybody, when the session
// was ended. It is meant for those who would come back by themselves.
var ErrEnded = Refuse(Forbidden, "the meeting was ended for everybody")

// MayKick tells whether somebody may send others out of the meeting. by is nil
// for one who is no participant any more.
func MayKick(by *Participant, kicked bool) error {
	switch {
	case by == nil:
		return Refuse(Unauthorized, "you are no longer a participant of this meeting")
	case kicked:
		return ErrKicked
	case !by.Permissions.Kick:
		return Refuse(Forbidden, "you may not remove others from the meeting")
	}
	return nil
}
