package simulator

import (
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"

	"github.com/cespare/xxhash/v2"
)

const (
	lowerDigits = "abcdefghijklmnopqrstuvwxyz0123456789"
	urlDigits   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
)

// source is the random numbers that belong to a seed, a name and two numbers,
// and to nothing else.
func source(seed uint64, name string, a, b uint64) *rand.PCG {
	var numbers [24]byte
	binary.LittleEndian.PutUint64(numbers[0:], seed)
	binary.LittleEndian.PutUint64(numbers[8:], a)
	binary.LittleEndian.PutUint64(numbers[16:], b)
	return rand.NewPCG(xxhash.Sum64(append(numbers[:], name...)), xxhash.Sum64String(name)^a)
}

func text(rng *rand.Rand, digits string, n int) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = digits[rng.IntN(len(digits))]
	}
	return string(out)
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// chance is true once in n times on average.
func chance(rng *rand.Rand, n int) bool { return rng.IntN(n) == 0 }

// LiveID is the i-th room name of a seed: "3x" and 13 characters, as Kuaishou
// generates them. It is always the same.
func LiveID(seed uint64, i int) string {
	return "3x" + text(rand.New(source(seed, "live id", uint64(i), 0)), lowerDigits, 13)
}

// liveStreamID names a room's n-th broadcast.
func liveStreamID(seed uint64, liveID string, broadcast uint64) string {
	return text(rand.New(source(seed, liveID, broadcast, 0)), urlDigits, 11)
}

// tokenForm is where a token is from, by which its length differs.
type tokenForm struct {
	name  string
	bytes int
}

var (
	webToken    = tokenForm{"token ", 128}        // 172 characters
	mobileToken = tokenForm{"mobile token ", 114} // 152 characters
)

// tokenOf is the token of whose, a room and an account, that opens the room's n-th
// broadcast, or after so many renewals another.
func tokenOf(seed uint64, whose string, broadcast, renewals uint64, form tokenForm) string {
	rng := source(seed, form.name+whose, broadcast, renewals)
	raw := make([]byte, 0, form.bytes+8)
	for len(raw) < form.bytes {
		raw = binary.LittleEndian.AppendUint64(raw, rng.Uint64())
	}
	return base64.StdEncoding.EncodeToString(raw[:form.bytes])
}
