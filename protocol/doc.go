// Package protocol is what a peer and the server say to each other on the
// socket: the numbers of the events, and in rtkwire the messages that they
// carry. It is that of the official RealtimeKit SDK; numbers and field numbers
// never change their meaning.
//
// Every application message, both ways, is one binary WebSocket message that
// holds one rtkwire.Frame. A request carries an id that begins with the peer's
// own id; its answer has the same event and the same id. The only text
// messages are the keep-alive: the server says "2", the peer answers "3".
//
// The package does not encode, decode or check anything beyond that.
package protocol
