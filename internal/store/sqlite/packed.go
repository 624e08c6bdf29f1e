package sqlite

import (
	"strconv"
	"strings"
)

// packedMessage is a row of messages, but for its meeting, in one text: its numbers and the lengths
// of its texts, each ended by a space, and the texts. The engine takes a lock
// for each column that is looked at, which is most of the work where a million
// rows are read.
const packedMessage = `concat_ws(' ', m.seq, m.pub, m.at, m.kind, m.pinned, m.edited_at, m.deleted_at, m.crc,
	octet_length(m.id), octet_length(m.session), octet_length(m.author), octet_length(m.peer),
	octet_length(m.display_name), octet_length(m.payload), octet_length(m.audience),
	concat(m.id, m.session, m.author, m.peer, m.display_name, m.payload, m.audience))`

// unpack reads a row of packedMessage. Its texts are parts of the packed one.
// It gives false for what no row can be: damage that the engine has not seen.
func (r *messageRow) unpack(packed string) bool {
	var lengths [7]int64
	for _, n := range [...]*int64{
		&r.seq, &r.pub, &r.at, &r.kind, &r.pinned, &r.editedAt, &r.deletedAt, &r.crc,
		&lengths[0], &lengths[1], &lengths[2], &lengths[3], &lengths[4], &lengths[5], &lengths[6],
	} {
		value, rest, ok := leadingNumber(packed)
		if !ok {
			return false
		}
		*n, packed = value, rest
	}
	for i, text := range [...]*string{&r.id, &r.session, &r.author, &r.peer, &r.name, &r.payload, &r.audience} {
		n := lengths[i]
		if n < 0 || n > int64(len(packed)) {
			return false
		}
		*text, packed = packed[:n], packed[n:]
	}
	return packed == ""
}

// leadingNumber takes a number and the space after it off a text.
func leadingNumber(text string) (n int64, rest string, ok bool) {
	for i := range min(len(text), maxShort+1) {
		switch c := text[i]; {
		case c == ' ' && i > 0:
			return n, text[i+1:], true
		case c < '0' || c > '9':
			return longNumber(text)
		default:
			n = 10*n + int64(c-'0')
		}
	}
	return longNumber(text)
}

// maxShort is how many digits fit for sure.
const maxShort = 18

func longNumber(text string) (n int64, rest string, ok bool) {
	digits, rest, ok := strings.Cut(text, " ")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, rest, ok && err == nil
}
