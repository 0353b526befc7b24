package dsn

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestClickHouse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password of 快手")
	if err := os.WriteFile(file, []byte("hunter2 \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	escaped := strings.ReplaceAll(file, " ", "%20")
	for url, want := range map[string]struct{ user, password, database, cluster string }{
		"http://host:8123/kslive":                                          {"", "", "kslive", ""},
		"clickhouse://host:9000?cluster=it%27s":                            {"", "", "", "it's"},
		"http://host:8123/kslive?cluster=1":                                {"", "", "kslive", "1"},
		"http://me:secret@host:8123/kslive?max_threads=2":                  {"me", "secret", "kslive", ""},
		"http://me@host:8123/kslive?password_file=" + escaped:              {"me", "hunter2 ", "kslive", ""},
		"clickhouse://me@host/kslive?cluster=one&password_file=" + escaped: {"me", "hunter2 ", "kslive", "one"},
	} {
		options, cluster, err := ClickHouse(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		auth := options.Auth
		if auth.Username != want.user || auth.Password != want.password || auth.Database != want.database || cluster != want.cluster {
			t.Errorf("%s: %+v, cluster %q; want %+v", url, auth, cluster, want)
		}
		for _, ours := range []string{Cluster, PasswordFile} {
			if _, left := options.Settings[ours]; left {
				t.Errorf("%s: %s would be sent as a setting", url, ours)
			}
		}
	}
}

func TestClickHouseRefused(t *testing.T) {
	for url, want := range map[string]string{
		"http://me:hunter2@host:8123/kslive?password_file=/x":             "leave one out",
		"http://me@host:8123/kslive?password_file=/there/is/no/such/file": "no such file",
		"http://me:hunter2@[:8123/kslive":                                 "cannot be read",
	} {
		_, _, err := ClickHouse(url)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want one that says %q and no password", url, err, want)
		}
	}
}
