//go:build (linux || darwin) && !noembed

package chdb

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// outside is what the statements of these tests try to reach.
type outside struct {
	secret  string // a file that holds secretMark
	folder  string // where nothing may be written
	address string // where nothing may connect
}

const secretMark = "s3cretmark"

// within puts the parts of outside into a statement.
func (o outside) within(sql string) string {
	return strings.NewReplacer("@SECRET", o.secret, "@FOLDER", o.folder, "@ADDRESS", o.address).Replace(sql)
}

// newOutside fails the test, at its end, if anybody has connected or written.
func newOutside(t *testing.T) outside {
	t.Helper()
	o := outside{secret: filepath.Join(t.TempDir(), "secret"), folder: t.TempDir()}
	must(t, os.WriteFile(o.secret, []byte(secretMark+"\n"), 0o644))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	o.address = listener.Addr().String()
	done := make(chan struct{})
	go func() { // Cleanup waits for it
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Errorf("somebody connected from %s", conn.RemoteAddr())
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		must(t, listener.Close())
		<-done
		written, err := os.ReadDir(o.folder)
		must(t, err)
		for _, file := range written {
			t.Errorf("%s was written", file.Name())
		}
	})
	return o
}

// Whatever would reach a file, a program or another server is refused, with the code of a refusal: 497 ACCESS_DENIED, or
// 452 for a setting.
func TestNothingReachesOut(t *testing.T) {
	o := newOutside(t)
	source := func(of string) string {
		return "CREATE DICTIONARY reach (k UInt64, v String) PRIMARY KEY k SOURCE(" + of + ") LAYOUT(FLAT()) LIFETIME(0)"
	}
	for _, sql := range []string{
		"SELECT file('@SECRET')",
		"SELECT `file`('@SECRET')",
		`SELECT "file" /* x */ ('@SECRET')`,
		"SELECT `fi\\x6ce`('@SECRET')",
		"SELECT * APPLY(file) FROM (SELECT '@SECRET' AS a)",
		"SELECT * APPLY file FROM (SELECT '@SECRET' AS a)",
		"CREATE FUNCTION reach AS x -> file(x)",
		"CREATE VIEW reach AS SELECT file('@SECRET')",
		"SELECT * FROM file('@SECRET', LineAsString)",
		"DESCRIBE file('@SECRET', CSV)",
		"DESCRIBE url('http://@ADDRESS/', CSV)",
		"SELECT * FROM url('http://@ADDRESS/', CSV, 'a String')",
		"SELECT * FROM s3('http://@ADDRESS/bucket/key', 'a', 'b', 'CSV', 'a String')",
		"SELECT * FROM gcs('http://@ADDRESS/bucket/key', NOSIGN, 'CSV', 'a String')",
		"SELECT * FROM iceberg('http://@ADDRESS/bucket/key', NOSIGN)",
		"SELECT * FROM deltaLake('http://@ADDRESS/bucket/key', NOSIGN)",
		"SELECT * FROM icebergLocal('@FOLDER')",
		"SELECT * FROM azureBlobStorage('http://@ADDRESS/', 'ccc', 'b', 'a', 'YQ==', 'CSV', 'auto', 'a String')",
		"SELECT * FROM hdfs('hdfs://@ADDRESS/a', 'CSV', 'a String')",
		"SELECT * FROM remote('@ADDRESS', system.one)",
		"SELECT * FROM remoteSecure('@ADDRESS', system.one)",
		"SELECT * FROM mysql('@ADDRESS', 'a', 'b', 'u', 'p')",
		"SELECT * FROM postgresql('@ADDRESS', 'a', 'b', 'u', 'p')",
		"SELECT * FROM mongodb('@ADDRESS', 'a', 'b', 'u', 'p', 'x String')",
		"SELECT * FROM redis('@ADDRESS', 'k', 'k String')",
		"SELECT * FROM odbc('DSN=x', 's', 't')",
		"INSERT INTO FUNCTION url('http://@ADDRESS/', CSV, 'a String') SELECT 'x'",
		"INSERT INTO FUNCTION file('@FOLDER/i.csv', CSV, 'a String') SELECT 'x'",
		"WITH 1 AS x INSERT INTO t FROM INFILE '@SECRET' FORMAT LineAsString",
		"CREATE TABLE reach AS url('http://@ADDRESS/', CSV, 'a String')",
		"CREATE TABLE reach (a String) ENGINE = File(CSV, '@FOLDER/f.csv')",
		"CREATE TABLE reach (a String) ENGINE = URL('http://@ADDRESS/', CSV)",
		"CREATE TABLE reach (a String) ENGINE = Kafka('@ADDRESS', 't', 'g', 'CSV')",
		"CREATE TABLE reach (a String) ENGINE = Executable('id', CSV)",
		"CREATE TABLE reach (a String) ENGINE = ExecutablePool('id', CSV)",
		"CREATE TABLE reach (a String, b String) ENGINE = EmbeddedRocksDB(0, '@FOLDER/rocks') PRIMARY KEY a",
		"CREATE TABLE reach (a String) ENGINE = Distributed('default', 'system', 'one')",
		"CREATE TABLE reach (a String) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = 'web', endpoint = 'http://@ADDRESS/')",
		"CREATE TABLE reach (a String) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = 'object_storage', object_storage_type = 'local', metadata_type = 'plain_rewritable', path = '@FOLDER/disk/')",
		"CREATE DATABASE reach ENGINE = Filesystem('@FOLDER')",
		"CREATE DATABASE reach ENGINE = PostgreSQL('@ADDRESS', 'd', 'u', 'p')",
		"CREATE DATABASE reach ENGINE = Overlay('default')",
		"CREATE DATABASE reach ENGINE = Backup('kslive', S3('http://@ADDRESS/bucket/key', 'a', 'b'))",
		"CREATE DATABASE reach ENGINE = DataLakeCatalog('http://@ADDRESS/') SETTINGS catalog_type = 'rest', warehouse = 'w'",
		source("EXECUTABLE(command 'touch @FOLDER/executed' format 'CSV')"),
		source("FILE(path '@SECRET' format 'CSV')"),
		source("HTTP(url 'http://@ADDRESS/' format 'CSV')"),
		source("CLICKHOUSE(host '127.0.0.1' port 1 table 't' db 'd' user 'u')"),
		"BACKUP DATABASE kslive TO File('@FOLDER/b')",
		"RESTORE TABLE kslive.t FROM AzureBlobStorage('http://@ADDRESS/', 'ccc', 'b', 'a', 'YQ==')",
		"SELECT 1 FORMAT Template SETTINGS format_template_resultset = '@SECRET'",
		"SELECT 1 SETTINGS format_template_row = '@SECRET' FORMAT Template",
		"SELECT 1 AS a SETTINGS format_schema = '@SECRET:M' FORMAT Protobuf",
		"SELECT * FROM format(AvroConfluent, 'a String', '\\0\\0\\0\\0\\1abc') SETTINGS format_avro_schema_registry_url = 'http://@ADDRESS/'",
		"CREATE USER reach",
		"GRANT ALL ON *.* TO default",
		"CREATE NAMED COLLECTION reach AS url = 'http://@ADDRESS/'",
		"SYSTEM SHUTDOWN",
	} {
		got := ask(t, shared, http.MethodPost, "/", o.within(sql))
		code := got.header.Get("X-ClickHouse-Exception-Code")
		if code != "497" && code != "452" || strings.Contains(got.body, secretMark) {
			t.Errorf("%s: code %q, %q", sql, code, got.body)
		}
	}
	got := ask(t, shared, http.MethodPost, "/?format_template_row="+o.secret, "SELECT 1 FORMAT Template")
	if code := got.header.Get("X-ClickHouse-Exception-Code"); code != "452" || strings.Contains(got.body, secretMark) {
		t.Errorf("a setting in the URL: code %q, %q", code, got.body)
	}
}

// Names that only look like those that are refused are not.
func TestHarmlessNames(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT 1 AS file, file + 1, 2 AS disk":                          "1\t2\t2\n",
		"SELECT 'file(' AS a, 'FROM INFILE' /* disk( */":                 "file(\tFROM INFILE\n",
		"SELECT countIf(file = 'a\\'b') FROM (SELECT 'a\\'b' AS file)":   "1\n",
		"SELECT 1 FROM (SELECT 1 AS backup, 2 AS restore) WHERE 1 = (1)": "1\n",
	} {
		if got := ask(t, shared, http.MethodPost, "/", sql); got.body != want {
			t.Errorf("%s: %d %q, want %q", sql, got.status, got.body, want)
		}
	}
}
