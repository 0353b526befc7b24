package ingest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

// clientMessage is one websocket message as the browser sends it: an envelope
// of type and payload, and nothing else.
func clientMessage(t kuaishou.PayloadType, payload proto.Message) ([]byte, error) {
	inner, err := proto.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", t, err)
	}
	message, err := proto.Marshal(&kuaishou.SocketMessage{PayloadType: t, Payload: inner})
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", t, err)
	}
	return message, nil
}

// enterRoom is what a connection begins with. The reconnect fields are 0 on a
// room's first connection, and then absent, as in the browser's. The mobile
// share page sends no page ID, but names itself.
func enterRoom(endpoint Endpoint, reconnects, lastErrorCode uint32) *kuaishou.CSWebEnterRoom {
	request := &kuaishou.CSWebEnterRoom{
		Token:          endpoint.Token,
		LiveStreamId:   endpoint.LiveStreamID,
		ReconnectCount: reconnects,
		LastErrorCode:  lastErrorCode,
	}
	if endpoint.Mobile {
		request.Kpn, request.Kpf = "KUAISHOU_H5", "OUTSIDE_IOS_H5"
	} else {
		request.PageId = pageID(time.Now())
	}
	return request
}

// pageID is 16 random characters, an underscore and the time in milliseconds.
func pageID(now time.Time) string {
	const characters = "-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	id := make([]byte, 16, 32)
	for i := range id {
		id[i] = characters[rand.IntN(len(characters))]
	}
	id = append(id, '_')
	return string(strconv.AppendInt(id, now.UnixMilli(), 10))
}
