package gunzip

import "math/bits"

// Sizes of the two alphabets, and of their tables.
const (
	maxLiterals  = 288
	maxDistances = 32
	maxLength    = 15 // bits of a code
	maxBits      = 10 // that a table is looked up by; longer codes are in others that it links to
	// tableSize holds a table and all that it links to: no complete code of 288
	// symbols needs more than 1,334 entries.
	tableSize = 2048
)

// An entry says how a code is used: in the lowest byte how many bits it has, above
// that how many follow it or, in a link, by how many the linked table is looked up,
// then what it is, and in the upper half the literal, the least length or distance,
// or where the linked table begins.
const (
	literal = 1 << (12 + iota)
	ending
	link
)

// invalid is the entry of a code that stands for nothing: a length or a distance
// of 0.
const invalid = 1

type table struct {
	entries [tableSize]uint32
	bits    uint // by which it is looked up
	mask    uint64
}

// code is how many bits the code of a symbol has.
type code struct {
	symbol uint16
	length uint8
}

// build makes the table of these codes, at least one bit each, in the order of their
// symbols; meanings are the entries of symbols without that. It answers false when
// there is no such table.
func (t *table) build(codes []code, meanings []uint32) bool {
	var counts [maxLength + 1]int
	for _, c := range codes {
		counts[c.length]++
	}
	longest, space := 0, 0
	for n, count := range counts {
		space += count << (maxLength - n)
		if count > 0 {
			longest = n
		}
	}
	if space != 1<<maxLength {
		return t.incomplete(codes, meanings, longest, space)
	}
	var next [maxLength + 2]int
	for n, count := range counts {
		next[n+1] = next[n] + count
	}
	var sorted [maxLiterals]uint16
	for _, c := range codes {
		sorted[next[c.length]] = c.symbol
		next[c.length]++
	}
	t.bits = uint(min(longest, maxBits))
	t.mask = 1<<t.bits - 1
	return t.fill(&counts, &sorted, meanings)
}

// incomplete is build for the codes that need not be complete: that of no symbol,
// and that of one.
func (t *table) incomplete(codes []code, meanings []uint32, longest, space int) bool {
	if longest > 1 || space > 1<<(maxLength-1) {
		return false
	}
	t.bits, t.mask = 1, 1
	t.entries[0], t.entries[1] = invalid, invalid
	for _, c := range codes { // one at most
		t.entries[0] = meanings[c.symbol] | 1
	}
	return true
}

// fill enters the codes in the order of their values. They are counted up in the upper
// bits, and looked up with their first bit lowest. A table of n bits is that of n-1
// twice, until a code of n bits takes its place.
func (t *table) fill(counts *[maxLength + 1]int, sorted *[maxLiterals]uint16, meanings []uint32) bool {
	code, length, end, symbol := uint16(0), uint(1), uint(2), 0
	for ; length <= t.bits; length++ {
		for range counts[length] {
			t.entries[bits.Reverse16(code)&(tableSize-1)] = meanings[sorted[symbol]] | uint32(length)
			symbol++
			code += 1 << (16 - length)
		}
		if length < t.bits {
			copy(t.entries[end:2*end], t.entries[:end])
			end *= 2
		}
	}
	prefix, begin, within := ^uint(0), uint(0), uint(0)
	for ; length <= maxLength; length++ {
		for left := counts[length]; left > 0; left-- {
			turned := uint(bits.Reverse16(code))
			if first := turned & uint(t.mask); first != prefix {
				prefix, begin = first, end
				within = length - t.bits
				for space := left; space < 1<<within && t.bits+within < maxLength; {
					within++
					space = 2*space + counts[t.bits+within]
				}
				if end += 1 << within; end > tableSize {
					return false
				}
				t.entries[prefix] = link | uint32(begin)<<16 | uint32(within)<<8
			}
			e := meanings[sorted[symbol]] | uint32(length-t.bits)
			symbol++
			for i := begin + turned>>t.bits; i < end; i += 1 << (length - t.bits) {
				t.entries[i] = e
			}
			code += 1 << (16 - length)
		}
	}
	return true
}

// meaningsOf lists the entries of symbols that stand for first and more: extra has
// how many bits follow each.
func meaningsOf(into []uint32, first uint32, extra func(i int) uint32) {
	for i := range into {
		into[i] = first<<16 | extra(i)<<8
		first += 1 << extra(i)
	}
}

var literalMeanings = func() (all [maxLiterals]uint32) {
	for i := range 256 {
		all[i] = literal | uint32(i)<<16
	}
	all[256] = ending
	meaningsOf(all[257:285], 3, func(i int) uint32 { return uint32(max(i/4-1, 0)) })
	all[285] = 258 << 16
	return all
}()

var distanceMeanings = func() (all [maxDistances]uint32) {
	meaningsOf(all[:30], 1, func(i int) uint32 { return uint32(max(i/2-1, 0)) })
	return all
}()

// lengthMeanings are of the code in which the lengths of both codes are sent.
var lengthMeanings = func() (all [19]uint32) {
	for i := range all {
		all[i] = uint32(i) << 16
	}
	return all
}()

// lengthOrder is in which order the lengths of that code's codes are sent.
var lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// fixedTables are those of blocks that come without.
type fixedTables struct{ literals, distances table }

func newFixedTables() *fixedTables {
	var literals [maxLiterals]code
	for i := range literals {
		length := uint8(8)
		switch {
		case i >= 144 && i < 256:
			length = 9
		case i >= 256 && i < 280:
			length = 7
		}
		literals[i] = code{uint16(i), length}
	}
	var distances [maxDistances]code
	for i := range distances {
		distances[i] = code{uint16(i), 5}
	}
	var t fixedTables
	t.literals.build(literals[:], literalMeanings[:])
	t.distances.build(distances[:], distanceMeanings[:])
	return &t
}

// dynamic reads the tables that a block begins with.
func (u *Unpacker) dynamic() bool {
	literals, distances, sent := int(u.take(5))+257, int(u.take(5))+1, int(u.take(4))+4
	if literals > 286 || distances > 30 {
		return false
	}
	var lengths [19]uint8
	for _, symbol := range lengthOrder[:sent] {
		u.fill()
		lengths[symbol] = uint8(u.take(3))
	}
	codes := u.sent[:0]
	for symbol, length := range lengths {
		if length > 0 {
			codes = append(codes, code{uint16(symbol), length})
		}
	}
	if !u.distances.build(codes, lengthMeanings[:]) {
		return false
	}
	codes, ok := u.readLengths(literals + distances)
	if !ok {
		return false
	}
	split := len(codes)
	for split > 0 && int(codes[split-1].symbol) >= literals {
		split--
		codes[split].symbol -= uint16(literals)
	}
	return u.literals.build(codes[:split], literalMeanings[:]) && u.distances.build(codes[split:], distanceMeanings[:])
}

// readLengths reads the codes of the first n symbols, those of distances behind those
// of literals, in the code that stands where that of distances will.
func (u *Unpacker) readLengths(n int) ([]code, bool) {
	lengths := &u.distances
	used, length := 0, uint32(0)
	held, left, at := u.held, u.n, u.at // see block
	for i := 0; i < n; {
		held, left, at = filled(u.in, held, left, at)
		e := lengths.entries[held&lengths.mask]
		held >>= e & 63
		left -= uint(e & 63)
		symbol := e >> 16
		if symbol < 16 {
			length = symbol
			u.sent[used] = code{uint16(i), uint8(length)}
			used += int((length + 15) >> 4) // not when it is 0, which nobody can foretell
			i++
			continue
		}
		times, extra := 3, uint(2)
		switch symbol {
		case 16: // the last one again
			if i == 0 {
				return nil, false
			}
		case 17:
			length, extra = 0, 3
		default:
			length, times, extra = 0, 11, 7
		}
		times += int(held & (1<<extra - 1))
		held >>= extra
		left -= extra
		if times > n-i {
			return nil, false
		}
		for end := i + times; i < end; i++ {
			if length > 0 {
				u.sent[used] = code{uint16(i), uint8(length)}
				used++
			}
		}
	}
	u.held, u.n, u.at = held, left, at
	return u.sent[:used], left <= 64
}
