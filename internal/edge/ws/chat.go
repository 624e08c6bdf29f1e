package ws

import (
	"context"
	"slices"
	"time"

	"github.com/parley-chat/parley/internal/chat"
	"github.com/parley-chat/parley/internal/journal"
	"github.com/parley-chat/parley/protocol"
	"github.com/parley-chat/parley/protocol/rtkwire"
)

// handler carries out requests of one event.
type handler struct {
	do func(*peer, context.Context, request) error
	// joined says that the peer must have joined.
	joined bool
	// known says that it goes by what the room knows of the peer, and not by the
	// directory or the store: the room has to be up to date.
	known bool
	// waiting, where there is one, answers a peer that waits to be let in.
	waiting func(*peer, context.Context, request) error
}

// handlers is the table of what peers may ask.
var handlers = map[protocol.Event]handler{
	protocol.JoinRoom:                {do: (*peer).joinRoom},
	protocol.LeaveRoom:               {do: (*peer).leaveRoom, joined: true},
	protocol.GetPeerInfo:             {do: (*peer).getPeerInfo, joined: true, known: true},
	protocol.GetRoomInfo:             {do: (*peer).getRoomInfo, joined: true, known: true, waiting: (*peer).waitingRoomInfo},
	protocol.GetRoomPeersInfo:        {do: (*peer).getRoomPeersInfo, joined: true, known: true, waiting: (*peer).nobodyHere},
	protocol.GetConnectedRoomsDump:   {do: (*peer).getConnectedRooms, joined: true, known: true},
	protocol.GetAllAddedParticipants: {do: (*peer).getAllAddedParticipants, joined: true},
	protocol.Kick:                    {do: (*peer).kick, joined: true},
	protocol.KickAll:                 {do: (*peer).kickAll, joined: true},
	protocol.GetStagePeers:           {do: (*peer).answerEmpty},
	protocol.GetStageRequests:        {do: (*peer).answerEmpty},
	protocol.GetRoomStageState:       {do: (*peer).answerEmpty},
	protocol.GetWaitingRoomRequests:  {do: (*peer).getWaiting, joined: true, known: true, waiting: (*peer).answerEmpty},
	protocol.AcceptWaiting:           {do: (*peer).acceptWaiting, joined: true},
	protocol.DenyWaiting:             {do: (*peer).denyWaiting, joined: true},
	protocol.GetPlugins:              {do: (*peer).answerEmpty},
	protocol.GetPolls:                {do: (*peer).answerEmpty},
	protocol.StoreGetKeys:            {do: (*peer).storeGetKeys, known: true},
	protocol.StoreInsertKeys:         {do: (*peer).storeInsertKeys, joined: true},
	protocol.StoreDeleteKeys:         {do: (*peer).storeDeleteKeys, joined: true},

	protocol.SearchChannelMessages: {do: (*peer).search, joined: true},
	protocol.GetAllChatChannels:    {do: (*peer).answerEmpty},

	protocol.BroadcastMessage:  {do: (*peer).broadcast, joined: true, known: true},
	protocol.BroadcastToEntity: {do: (*peer).broadcastTo, joined: true, known: true},

	protocol.GetUserPresets:   {do: (*peer).getUserPresets, joined: true, known: true},
	protocol.UpdateUserPreset: {do: (*peer).updateUserPreset, joined: true, known: true},

	protocol.GetMessages:          {do: (*peer).getMessages, joined: true, waiting: (*peer).noMessages},
	protocol.GetPaginatedMessages: {do: (*peer).getPage, joined: true},
	protocol.SendMessageToRoom:    {do: (*peer).sendToRoom, joined: true},
	protocol.SendMessageToPeers:   {do: (*peer).sendToPeers, joined: true},
	protocol.EditMessage:          {do: (*peer).editMessage, joined: true},
	protocol.DeleteMessage:        {do: (*peer).deleteMessage, joined: true},
	protocol.PinMessage:           {do: (*peer).pinMessage, joined: true},

	protocol.MediaJoinRoom:           {do: (*peer).answerEmpty},
	protocol.MediaCreateTransport:    {do: (*peer).createTransport},
	protocol.MediaProduce:            {do: (*peer).produce, joined: true},
	protocol.MediaCloseProducer:      {do: (*peer).closeProducer, joined: true},
	protocol.MediaToggleProducer:     {do: (*peer).ignore},
	protocol.MediaAudioActivity:      {do: (*peer).ignore},
	protocol.MediaSelfJoinComplete:   {do: (*peer).selfJoinComplete},
	protocol.MediaLeaveRoom:          {do: (*peer).mediaLeaveRoom},
	protocol.MediaChangeDisplayName:  {do: (*peer).mediaDone},
	protocol.MediaHostControl:        {do: (*peer).mediaDone},
	protocol.MediaHostControlForPeer: {do: (*peer).mediaDone},
}

// submit hands in a command. Its echo, when it is committed, is the answer.
func (p *peer) submit(ctx context.Context, req request, cmd chat.Command) error {
	if !p.pending.TryAcquire(1) {
		p.server.Limits.Add("pending_commands")
		if err := p.pending.Acquire(ctx, 1); err != nil {
			return err
		}
	}
	since := time.Now()
	p.server.Journal.Submit(cmd, req.id, func(_ journal.Entry, err error) {
		p.pending.Release(1)
		if err != nil {
			p.refuse(req, err)
			return
		}
		p.server.counts.committed(req.event, since)
	})
	return nil
}

func (p *peer) actor() chat.Actor {
	return chat.Actor{
		Meeting: p.meeting.ID, Participant: p.info.Participant, Peer: p.info.Peer, DisplayName: p.feed.Self().Name,
	}
}

// content checks a payload and counts it against the limits.
func (p *peer) content(payloadType int32, payload string) (chat.Content, error) {
	kind := chat.Kind(payloadType)
	if err := p.rates.takeBytes(len(payload)); err != nil {
		return chat.Content{}, err
	}
	if err := p.rates.take(kind); err != nil {
		return chat.Content{}, err
	}
	return p.server.Parse(p.meeting.ID, kind, payload)
}

func (p *peer) sendToRoom(ctx context.Context, req request) error {
	var m rtkwire.SendToRoom
	if err := req.read(&m); err != nil {
		return err
	}
	return p.send(ctx, req, chat.SendMessage{}, m.GetPayloadType(), m.GetPayload())
}

func (p *peer) sendToPeers(ctx context.Context, req request) error {
	var m rtkwire.SendToPeers
	if err := req.read(&m); err != nil {
		return err
	}
	to := m.GetPeerIds()
	slices.Sort(to)
	to = slices.Compact(to)
	if len(to) > chat.MaxRecipients {
		return chat.Refuse(chat.Limited, "a private message may have at most %d recipients", chat.MaxRecipients-1).Beyond("recipients")
	}
	// What is no peer id may be the id of a participant who is not here; the
	// decision finds out.
	known := p.room.Participants(to)
	cmd := chat.SendMessage{Private: true}
	for _, id := range to {
		participant, ok := known[id]
		if !ok {
			participant = chat.ParticipantID(id)
		}
		cmd.Recipients = append(cmd.Recipients, participant)
	}
	return p.send(ctx, req, cmd, m.GetPayloadType(), m.GetPayload())
}

func (p *peer) send(ctx context.Context, req request, cmd chat.SendMessage, payloadType int32, payload string) error {
	var err error
	if cmd.Content, err = p.content(payloadType, payload); err != nil {
		return err
	}
	if cmd.ID, err = newMessageID(); err != nil {
		return err
	}
	cmd.Actor = p.actor()
	return p.submit(ctx, req, cmd)
}

func (p *peer) editMessage(ctx context.Context, req request) error {
	var m rtkwire.EditMessage
	if err := req.read(&m); err != nil {
		return err
	}
	content, err := p.content(m.GetPayloadType(), m.GetPayload())
	if err != nil {
		return err
	}
	return p.submit(ctx, req, chat.EditMessage{
		Actor: p.actor(), Message: chat.MessageID(m.GetChatId()), Content: content,
	})
}

func (p *peer) deleteMessage(ctx context.Context, req request) error {
	var m rtkwire.DeleteMessage
	if err := req.read(&m); err != nil {
		return err
	}
	if err := p.rates.take(chat.Text); err != nil {
		return err
	}
	return p.submit(ctx, req, chat.DeleteMessage{Actor: p.actor(), Message: chat.MessageID(m.GetChatId())})
}

func (p *peer) pinMessage(ctx context.Context, req request) error {
	var m rtkwire.PinMessage
	if err := req.read(&m); err != nil {
		return err
	}
	if err := p.rates.take(chat.Text); err != nil {
		return err
	}
	return p.submit(ctx, req, chat.PinMessage{
		Actor: p.actor(), Message: chat.MessageID(m.GetChatId()), Pinned: m.GetPinned(),
	})
}

func (p *peer) getPage(ctx context.Context, req request) error {
	var m rtkwire.PageRequest
	if err := req.read(&m); err != nil {
		return err
	}
	if m.GetChannelId() != "" {
		return chat.Refuse(chat.NotFound, noChannels)
	}
	query, err := p.query(ctx)
	if err != nil {
		return err
	}
	query.Time = int64(min(m.GetTimeStamp(), 1<<53))
	query.Backward = m.GetReversed()
	query.Limit = int(m.GetSize())
	switch f := m.GetFilters().GetFilters().(type) {
	case *rtkwire.PageFilter_Pinned:
		if f.Pinned {
			query.Filter = journal.PinnedOnly
		}
	case *rtkwire.PageFilter_UserId:
		query.Filter, query.With = journal.Conversation, chat.ParticipantID(f.UserId)
	}
	page, err := p.server.Journal.Page(ctx, query)
	if err != nil {
		return err
	}
	wire, all := p.server.Codec.pageOf(page.Messages)
	return p.answer(req, &rtkwire.Page{Messages: wire, Next: page.More || !all})
}
