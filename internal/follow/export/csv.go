package export

import (
	"strings"
	"time"

	"github.com/parley-chat/parley/internal/chat"
)

// The file is CSV by RFC 4180: UTF-8 without a byte order mark, one line of
// names, lines ended by CR LF, and each field as it was said, byte for byte.
// encoding/csv cannot write it: with CR LF it changes the line ends within
// fields, too.

// Header is the first line. Order and spelling are those of the official
// product, whose readers go by them.
const Header = "id,participantId,sessionId,meetingId,displayName,pinned,isEdited,payloadType,payload,createdAt\r\n"

// payloadTypes are the names of kinds of messages in the file. The official
// ones are the first three; the fourth goes by their pattern.
var payloadTypes = map[chat.Kind]string{
	chat.Text: "TEXT_MESSAGE", chat.Image: "IMAGE_MESSAGE", chat.File: "FILE_MESSAGE", chat.Custom: "CUSTOM_MESSAGE",
}

// appendRow adds a message as one line. payload is what the message says, as a
// reader of the file is to see it.
func (f Format) appendRow(line []byte, m *chat.Message, payload string) []byte {
	for _, field := range [...]string{string(m.ID), string(m.Author), string(m.Session), string(m.Meeting), m.DisplayName} {
		line = append(f.appendField(line, field), ',')
	}
	line = append(appendBool(line, m.Pinned), ',')
	line = append(appendBool(line, m.EditedAt != 0), ',')
	line = append(append(line, payloadTypes[m.Content.Kind]...), ',')
	line = append(f.appendField(line, payload), ',')
	return append(appendTime(line, m.SentAt), "\r\n"...)
}

// appendTime adds a time in milliseconds as 2006-01-02T15:04:05.000Z. It is the
// form of RFC 3339 with a fraction put in, for the library is fast at that one.
func appendTime(line []byte, ms int64) []byte {
	line = time.UnixMilli(ms).UTC().AppendFormat(line, time.RFC3339)
	fraction := ((ms % 1000) + 1000) % 1000
	return append(line[:len(line)-1], '.', byte('0'+fraction/100), byte('0'+fraction/10%10), byte('0'+fraction%10), 'Z')
}

func appendBool(line []byte, b bool) []byte {
	if b {
		return append(line, "true"...)
	}
	return append(line, "false"...)
}

// appendField quotes a field where RFC 4180 wants it, and where readers might
// trim it.
func (f Format) appendField(line []byte, field string) []byte {
	prefix := ""
	if f == SafeCSV && startsFormula(field) {
		prefix = "'"
	}
	if !needsQuotes(field) {
		return append(append(line, prefix...), field...)
	}
	line = append(append(line, '"'), prefix...)
	for {
		quote := strings.IndexByte(field, '"')
		if quote < 0 {
			return append(append(line, field...), '"')
		}
		line = append(append(line, field[:quote+1]...), '"')
		field = field[quote+1:]
	}
}

func needsQuotes(field string) bool {
	return field != "" && (containsSpecial(field) || field[0] == ' ' || field[len(field)-1] == ' ')
}

func containsSpecial(field string) bool {
	return strings.IndexByte(field, ',') >= 0 || strings.IndexByte(field, '"') >= 0 ||
		strings.IndexByte(field, '\n') >= 0 || strings.IndexByte(field, '\r') >= 0
}

// startsFormula tells whether a spreadsheet might run the field, or hide from
// the reader how it begins (ASVS 1.2.10).
func startsFormula(field string) bool {
	return field != "" && strings.IndexByte("=+-@\t\r\n\x00", field[0]) >= 0
}
