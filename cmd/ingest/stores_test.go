package main

import (
	"strings"
	"testing"
)

func TestOnCluster(t *testing.T) {
	for given, want := range map[string]string{
		"clickhouse://u:p%40ss@a:9000,b:9000/kslive":   "clickhouse://u:p%40ss@a:9000,b:9000/kslive?cluster=production",
		"http://a:8123/kslive?insert_quorum=auto":      "http://a:8123/kslive?cluster=production&insert_quorum=auto",
		"http://a:8123/kslive?cluster=another-cluster": "http://a:8123/kslive?cluster=production",
	} {
		if got, err := onCluster(given, "production"); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", given, got, err, want)
		}
	}
	for given, want := range map[string]string{"": "--clickhouse", "http://u:hunter2@a:port/kslive": "http://user:"} {
		_, err := onCluster(given, "production")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", given, err)
		}
	}
}
