package ingest

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	kuaishou "kslive/proto"
)

func TestMessageJSON(t *testing.T) {
	gap := &kuaishou.SCWebAuthorPause{Time: 1<<64 - 1, PauseType: 2}
	unknown := protowire.AppendTag(nil, 9, protowire.VarintType)
	unknown = protowire.AppendVarint(unknown, 7)
	unknown = append(unknown, nested(3, []byte("text 文\n"))...)
	unknown = append(unknown, nested(9, []byte{0, 1})...)
	unknown = protowire.AppendFixed64(protowire.AppendTag(unknown, 4, protowire.Fixed64Type), 1<<63)
	unknown = protowire.AppendFixed32(protowire.AppendTag(unknown, 5, protowire.Fixed32Type), 6)
	unknown = protowire.AppendGroup(protowire.AppendTag(unknown, 6, protowire.StartGroupType), 6, []byte{8, 1})
	unknown = append(unknown, nested(1, nil)...)
	gap.ProtoReflect().SetUnknown(unknown)

	tests := map[string]struct {
		message protoreflect.ProtoMessage
		want    string
	}{
		"empty":        {&kuaishou.SCWebRefreshWallet{}, `{}`},
		"defaults":     {&kuaishou.SCWebError{}, `{}`},
		"names":        {&kuaishou.SCWebError{Code: 601, Msg: "直播已结束", SubCode: 2}, `{"code":601,"msg":"直播已结束","subCode":2}`},
		"unknown enum": {&kuaishou.SCWebAuthorPause{PauseType: 7}, `{"pauseType":7}`},
		"bytes":        {&kuaishou.SCPingAck{EchoData: []byte{0, 0xFF}}, `{"echoData":"AP8="}`},
		"nested": {
			&kuaishou.SCLiveWarningMaskStatusChangedAudience{DisplayMask: true, WarningMask: &kuaishou.SCLiveWarningMaskStatusChangedAudience_WarningMask{
				IconCdnNodeView: []*kuaishou.SCLiveWarningMaskStatusChangedAudience_CdnNodeView{{Cdn: "a"}, {}},
			}},
			`{"displayMask":true,"warningMask":{"iconCdnNodeView":[{"cdn":"a"},{}]}}`,
		},
		"list":   {&kuaishou.LiveAudienceState{UserFeature: []uint32{3, 0}}, `{"userFeature":[3,0]}`},
		"signed": {&kuaishou.LiveAudienceState_Nameplate{Id: -5}, `{"id":-5}`},
		"text":   {&kuaishou.SCEcho{Content: "\"\\\n\x00\x1f\x7f\xE4<&>\u2028"}, `{"content":"\"\\\n\u0000\u001f` + "\x7f\uFFFD<&>\u2028" + `"}`},
		"unknown fields": {
			gap,
			`{"time":18446744073709551615,"?1":"","pauseType":"SHARE","?3":"text 文\n","?4":9223372036854775808,"?5":6,"?6":"CAE=","?9":[7,"AAE="]}`,
		},
	}
	for name, test := range tests {
		got := string(appendMessageJSON(nil, test.message.ProtoReflect()))
		if got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
		if !json.Valid([]byte(got)) || !utf8.ValidString(got) {
			t.Errorf("%s: not JSON: %s", name, got)
		}
	}
}

// The JSON is as deep as the .proto: no message holds itself. Its fields are
// in the order of their numbers, because the .proto declares them so.
func TestMessagesAreFlatAndInOrder(t *testing.T) {
	var visit func(message protoreflect.MessageDescriptor, path []string)
	visit = func(message protoreflect.MessageDescriptor, path []string) {
		for _, above := range path {
			if above == string(message.FullName()) {
				t.Fatalf("%s holds itself: %s", above, strings.Join(path, " > "))
			}
		}
		path = append(path, string(message.FullName()))
		for i := range message.Fields().Len() {
			field := message.Fields().Get(i)
			if i > 0 && field.Number() < message.Fields().Get(i-1).Number() {
				t.Errorf("%s is out of order", field.FullName())
			}
			if field.Kind() == protoreflect.MessageKind {
				visit(field.Message(), path)
			}
			if field.IsMap() {
				t.Errorf("%s is a map: it has no JSON", field.FullName())
			}
		}
	}
	messages := kuaishou.File_proto_kuaishou_proto.Messages()
	for i := range messages.Len() {
		visit(messages.Get(i), nil)
	}
}
