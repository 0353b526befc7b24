// Package gunzip unpacks gzip data that is held in memory as a whole and was
// packed in one piece, as payloads are: a few hundred bytes, of which a library
// for streams spends most of its time on beginning.
//
// It knows the ordinary form only, and says so of any other, and of what is
// damaged: that is for a library, which also knows what is wrong. What it unpacks
// has the checksum and the length that stand behind it, so it is never wrong.
//
// On the frames of internal/corpus it takes about half of the CPU time of
// klauspost/compress/gzip (make bench ARGS="--only decode").
package gunzip

import (
	"encoding/binary"
	"hash/crc32"
)

// Unpacker holds the tables of the block being unpacked. Its zero value is ready.
// Not for concurrent use.
type Unpacker struct {
	literals, distances table
	fixed               *fixedTables                     // once there was a block without tables
	sent                [maxLiterals + maxDistances]code // that a block begins with

	in   []byte // from the deflated data to the end
	at   int
	held uint64 // bits taken from in
	n    uint   // how many of held are; beyond 64 when more were used than there are
}

// Form of a member: a header of 10 bytes, deflated data, a trailer of CRC-32 and
// length.
const (
	header  = 10
	trailer = 8
	// A byte of deflated data stands for no more than that.
	maxRatio = 1032
	// slack is how many bytes may be written behind what is unpacked.
	slack = 16
)

// Append unpacks packed, one member of gzip, into plain, behind what is there. It
// answers false, and plain as it was, when it does not know the form, when the
// data is damaged, or when it would become more than limit bytes.
func (u *Unpacker) Append(plain, packed []byte, limit int) ([]byte, bool) {
	if len(packed) < header+trailer || string(packed[:4]) != "\x1f\x8b\x08\x00" { // no name, no comment
		return plain, false
	}
	end := packed[len(packed)-trailer:]
	size := int(binary.LittleEndian.Uint32(end[4:]))
	if size > limit || size > maxRatio*len(packed) {
		return plain, false
	}
	old := len(plain)
	if cap(plain)-old < size+slack {
		plain = append(make([]byte, 0, old+size+slack), plain...)
	}
	out := plain[old : old+size+slack]
	u.in, u.at, u.held, u.n = packed[header:], 0, 0, 0
	ok := u.inflate(out, size) && u.at-int(u.n/8) == len(u.in)-trailer && crc32.ChecksumIEEE(out[:size]) == binary.LittleEndian.Uint32(end)
	u.in = nil
	if !ok {
		return plain[:old], false
	}
	return plain[:old+size], true
}

// inflate unpacks the blocks of in into the first size bytes of out.
func (u *Unpacker) inflate(out []byte, size int) bool {
	done := 0
	for last := false; !last; {
		u.fill()
		last = u.take(1) == 1
		ok := false
		switch u.take(2) {
		case 0:
			done, ok = u.stored(out, done, size)
		case 1:
			if u.fixed == nil {
				u.fixed = newFixedTables()
			}
			done, ok = u.block(&u.fixed.literals, &u.fixed.distances, out, done, size)
		case 2:
			if ok = u.dynamic(); ok {
				done, ok = u.block(&u.literals, &u.distances, out, done, size)
			}
		}
		if !ok || u.n > 64 {
			return false
		}
	}
	return done == size
}

// fill brings held to 56 bits or more, as far as there are any.
func (u *Unpacker) fill() { u.held, u.n, u.at = filled(u.in, u.held, u.n, u.at) }

// filled is fill for what stands in registers.
func filled(in []byte, held uint64, n uint, at int) (uint64, uint, int) {
	if len(in)-at >= 8 {
		return held | binary.LittleEndian.Uint64(in[at:])<<(n&63), n | 56, at + int((63-n)>>3&7)
	}
	return filledAtEnd(in, held, n, at)
}

func filledAtEnd(in []byte, held uint64, n uint, at int) (uint64, uint, int) {
	for n <= 56 && at < len(in) {
		held |= uint64(in[at]) << n
		at++
		n += 8
	}
	return held, n, at
}

// take takes n bits, at most 16, that are held.
func (u *Unpacker) take(n uint) uint {
	bits := uint(u.held & (1<<n - 1))
	u.held >>= n
	u.n -= n
	return bits
}

// stored copies a block that is not packed.
func (u *Unpacker) stored(out []byte, done, size int) (int, bool) {
	if u.n > 64 {
		return done, false
	}
	u.at -= int(u.n / 8) // back to the byte after the one begun
	u.held, u.n = 0, 0
	if len(u.in)-u.at < 4 {
		return done, false
	}
	n := int(binary.LittleEndian.Uint16(u.in[u.at:]))
	if n^int(binary.LittleEndian.Uint16(u.in[u.at+2:])) != 0xFFFF {
		return done, false
	}
	u.at += 4
	if n > size-done || n > len(u.in)-u.at {
		return done, false
	}
	copy(out[done:], u.in[u.at:u.at+n])
	u.at += n
	return done + n, true
}

// block unpacks a block with these tables.
func (u *Unpacker) block(literals, distances *table, out []byte, done, size int) (int, bool) {
	// As local variables they stay in registers: a third of all time.
	held, n, at, in := u.held, u.n, u.at, u.in
	held, n, at = filled(in, held, n, at)
	// The next entry is looked up before bits are filled up, which goes on beside it. To
	// fill up each time takes less than to be wrong about whether it is needed: a literal
	// of the table, one that is linked to and the next entry have 35 bits, a literal and
	// a length 30, a distance and the next entry 38.
	e := literals.entries[held&literals.mask]
	for ; done <= size; held, n, at = filled(in, held, n, at) { // beyond size by less than slack
		if e&literal != 0 {
			held >>= e & 63
			n -= uint(e & 63)
			out[done] = byte(e >> 16)
			done++
			e = literals.entries[held&literals.mask]
			if e&literal != 0 {
				held >>= e & 63
				n -= uint(e & 63)
				out[done] = byte(e >> 16)
				done++
				e = literals.entries[held&literals.mask]
				continue
			}
		}
		if e&link != 0 {
			held >>= literals.bits & 63
			n -= literals.bits
			e = literals.entries[(uint64(e>>16)+held&(1<<(e>>8&15)-1))&(tableSize-1)]
		}
		held >>= e & 63
		n -= uint(e & 63)
		if e&literal != 0 {
			out[done] = byte(e >> 16)
			done++
			e = literals.entries[held&literals.mask]
			continue
		}
		if e&ending != 0 {
			u.held, u.n, u.at = held, n, at
			return done, done <= size
		}
		extra := e >> 8 & 15
		length := int(e>>16) + int(held&(1<<extra-1))
		held >>= extra
		n -= uint(extra)

		held, n, at = filled(in, held, n, at)
		e = distances.entries[held&distances.mask]
		if e&link != 0 {
			held >>= distances.bits & 63
			n -= distances.bits
			e = distances.entries[(uint64(e>>16)+held&(1<<(e>>8&15)-1))&(tableSize-1)]
		}
		held >>= e & 63
		n -= uint(e & 63)
		extra = e >> 8 & 15
		back := int(e>>16) + int(held&(1<<extra-1))
		held >>= extra
		n -= uint(extra)
		if back == 0 || back > done || length > size-done || length == 0 {
			break
		}
		e = literals.entries[held&literals.mask]
		repeat(out, done, back, length)
		done += length
	}
	return done, false
}

// repeat copies length bytes that stand back bytes before done to done. It may
// write up to slack bytes more.
func repeat(out []byte, done, back, length int) {
	from, to := out[done-back:], out[done:]
	if back < 8 {
		for i := range length { // what was just written is repeated
			to[i] = from[i]
		}
		return
	}
	for i := 0; i < length; i += 8 {
		binary.LittleEndian.PutUint64(to[i:], binary.LittleEndian.Uint64(from[i:]))
	}
}
