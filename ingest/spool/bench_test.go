package spool

import (
	"fmt"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 500, 5000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := mustOpen(b, b.TempDir(), Options{})
			record := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Append(record); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRead reads whole segments of 16 MiB, from Next to the last record.
func BenchmarkRead(b *testing.B) {
	s := mustOpen(b, b.TempDir(), Options{})
	for s.Stats().Sealed.Segments == 0 {
		mustAppend(b, s, fmt.Sprintf("%0500d", 0))
	}
	b.SetBytes(s.Stats().Sealed.Bytes)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		g := mustNext(b, s)
		for range g.Records() {
			n++
		}
		g.Release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/record")
}
