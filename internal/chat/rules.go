package chat

import "time"

// Rules are what a meeting's hosts, or its operator, have set for its chat.
// They lie over what presets allow: nobody gains by them. The zero value sets
// nothing.
type Rules struct {
	// Mode says who may write.
	Mode Mode
	// NoPrivate forbids private messages.
	NoPrivate bool
	// HostsPin lets hosts alone pin messages.
	HostsPin bool
	// SlowMode is the time between two messages of one participant, 0 for none.
	// Hosts are free of it.
	SlowMode time.Duration
}

// Mode says who may write in a meeting.
type Mode string

// The modes, by their names in the API. "" is ModeEveryone.
const (
	ModeEveryone Mode = "EVERYONE"
	// ModeHosts is for those whose preset lets them moderate the chat.
	ModeHosts Mode = "HOSTS"
	ModeOff   Mode = "OFF"
)

// MaxSlowMode bounds Rules.SlowMode.
const MaxSlowMode = time.Hour

// Check refuses rules that nobody could follow.
func (r Rules) Check() error {
	switch r.Mode {
	case "", ModeEveryone, ModeHosts, ModeOff:
	default:
		return Refuse(Invalid, `"chat.mode" must be one of EVERYONE, HOSTS, OFF`)
	}
	if r.SlowMode < 0 || r.SlowMode > MaxSlowMode || r.SlowMode%time.Second != 0 {
		return Refuse(Invalid, `"chat.slow_mode_in_secs" must be a whole number from 0 to %d`, int(MaxSlowMode/time.Second)).Beyond("field_range")
	}
	return nil
}

// Silences tells whether the rules keep somebody from writing anything, and
// whether they keep them from writing private messages.
func (r Rules) Silences(moderator bool) (all, private bool) {
	all = r.Mode == ModeOff || (r.Mode == ModeHosts && !moderator)
	return all, all || r.NoPrivate
}

// Apply gives what is left of what a preset allows.
func (r Rules) Apply(p Permissions) Permissions {
	all, private := r.Silences(p.Moderate)
	p.Public.Send = p.Public.Send && !all
	p.Private.Send = p.Private.Send && !private
	return p
}
