package gunzip

import (
	"bytes"
	stdgzip "compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

const limit = 1 << 20

// packed is plain, packed in several ways, by name.
func packed(t testing.TB, plain []byte) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	add := func(name string, out *bytes.Buffer, w io.WriteCloser, err error) {
		if err == nil {
			_, err = w.Write(plain)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		all[name] = out.Bytes()
	}
	for _, level := range []int{stdgzip.HuffmanOnly, stdgzip.NoCompression, stdgzip.BestSpeed, stdgzip.DefaultCompression, stdgzip.BestCompression} {
		var out bytes.Buffer
		w, err := stdgzip.NewWriterLevel(&out, level)
		add(fmt.Sprint("compress/gzip ", level), &out, w, err)
	}
	for _, level := range []int{gzip.StatelessCompression, gzip.BestSpeed, gzip.BestCompression} {
		var out bytes.Buffer
		w, err := gzip.NewWriterLevel(&out, level)
		add(fmt.Sprint("klauspost ", level), &out, w, err)
	}
	return all
}

func samples() map[string][]byte {
	random := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 70_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	skewed := make([]byte, 50_000) // codes of all lengths
	for i := range skewed {
		skewed[i] = byte(random.ExpFloat64() * 12)
	}
	text := strings.Repeat("看你的id加你好友 ", 3) + "3xwj3degzdpcf54 海兰辰河赞了这个直播"
	return map[string][]byte{
		"nothing": {}, "a byte": {'x'}, "text": []byte(text), "texts": []byte(strings.Repeat(text, 300)),
		"zeros": make([]byte, 100_000), "noise": noise, "skewed": skewed, "small noise": noise[:300],
	}
}

func TestAppend(t *testing.T) {
	var u Unpacker
	for name, plain := range samples() {
		for how, data := range packed(t, plain) {
			got, ok := u.Append([]byte("before"), data, limit)
			if !ok || !bytes.Equal(got, append([]byte("before"), plain...)) {
				t.Errorf("%s, %s: %v, %d bytes of %d", name, how, ok, len(got)-6, len(plain))
			}
			if len(plain) > 0 {
				if _, ok := u.Append(nil, data, len(plain)-1); ok {
					t.Errorf("%s, %s: more than the limit", name, how)
				}
			}
			for cut := 0; cut < len(data); cut += 1 + len(data)/100 {
				if got, ok := u.Append([]byte("before"), data[:cut], limit); ok || string(got) != "before" {
					t.Errorf("%s, %s: cut to %d bytes it is unpacked", name, how, cut)
				}
			}
		}
	}
}

// What is unpacked is what the library unpacks, whatever the data is; of what
// needs no patience, all is.
func FuzzAppend(f *testing.F) {
	for _, plain := range samples() {
		if len(plain) < 1000 {
			for _, data := range packed(f, plain) {
				f.Add(data, false)
			}
			f.Add(plain, true)
		}
	}
	var u Unpacker
	f.Fuzz(func(t *testing.T, data []byte, plain bool) {
		if plain {
			for how, packed := range packed(t, data) {
				if got, ok := u.Append(nil, packed, limit); !ok || !bytes.Equal(got, data) {
					t.Errorf("%s: %v", how, ok)
				}
			}
			return
		}
		got, ok := u.Append(nil, data, limit)
		if !ok {
			return
		}
		r, err := stdgzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		want, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, the library says %d bytes, %v", len(got), len(want), err)
		}
	})
}

// Damage does not pass for data.
func TestDamaged(t *testing.T) {
	var u Unpacker
	for name, plain := range samples() {
		for how, data := range packed(t, plain[:min(len(plain), 5000)]) {
			for i := 10; i < len(data); i += 1 + len(data)/200 {
				damaged := bytes.Clone(data)
				damaged[i] ^= 1 << (i % 8)
				if got, ok := u.Append(nil, damaged, limit); ok && !bytes.Equal(got, plain[:min(len(plain), 5000)]) {
					t.Errorf("%s, %s: byte %d is damaged, and not noticed", name, how, i)
				}
			}
		}
	}
}
