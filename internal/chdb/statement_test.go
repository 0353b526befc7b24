//go:build (linux || darwin) && !noembed

package chdb

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// inserts are statements with what parseInsertHead is to say of them; data is what follows the head.
var inserts = []struct {
	src, text, format, data string
	kind                    insertKind
}{
	{src: "SELECT 1", kind: insertNone},
	{src: "", kind: insertNone},
	{src: "WITH 1 AS x INSERT INTO t SELECT x", kind: insertNone},
	{src: "INSERT INTO t SELECT 1 FORMAT CSV", kind: insertNone},
	{src: "INSERT INTO t (a) WITH 1 AS x SELECT x", kind: insertNone},
	{src: "INSERT INTO t (SELECT 1)", kind: insertNone},
	{src: "INSERT INTO t; INSERT INTO t VALUES (1)", kind: insertNone},
	{src: "INSERT INTO t FROM u SELECT a", kind: insertNone},
	{src: "INSERT INTO t FORMAT", kind: insertNone},
	{src: "INSERT INTO t VALUES (1)", text: "INSERT INTO t ", format: "Values", data: " (1)", kind: insertData},
	{src: "insert t values(1)", text: "insert t ", format: "Values", data: "(1)", kind: insertData},
	{src: "INSERT INTO t FORMAT CSV\n1\n", text: "INSERT INTO t ", format: "CSV", data: "1\n", kind: insertData},
	{src: "INSERT INTO t FORMAT CSV\r\n\n1", text: "INSERT INTO t ", format: "CSV", data: "\n1", kind: insertData},
	{src: "INSERT INTO t FORMAT CSV 1", text: "INSERT INTO t ", format: "CSV", data: "1", kind: insertData},
	{src: "INSERT INTO t FORMAT Native", text: "INSERT INTO t ", format: "Native", kind: insertData},
	{src: "INSERT INTO t FORMAT Native\n\x00\n\n'", text: "INSERT INTO t ", format: "Native", data: "\x00\n\n'", kind: insertData},
	{src: "INSERT INTO db.t (a, `VALUES`) VALUES", text: "INSERT INTO db.t (a, `VALUES`) ", format: "Values", kind: insertData},
	{src: "INSERT INTO values VALUES (1)", text: "INSERT INTO values ", format: "Values", data: " (1)", kind: insertData},
	{src: "INSERT INTO db.format FORMAT CSV\n", text: "INSERT INTO db.format ", format: "CSV", kind: insertData},
	{src: "INSERT INTO `a``b` /* VALUES */ -- FORMAT X\n FORMAT CSV", text: "INSERT INTO `a``b` /* VALUES */ -- FORMAT X\n ", format: "CSV", kind: insertData},
	{src: "INSERT INTO t SETTINGS a = 'it\\'s VALUES', b = 1 FORMAT CSV", text: "INSERT INTO t SETTINGS a = 'it\\'s VALUES', b = 1 ", format: "CSV", kind: insertData},
	{src: "INSERT INTO FUNCTION null('a UInt8') VALUES (1)", text: "INSERT INTO FUNCTION null('a UInt8') ", format: "Values", data: " (1)", kind: insertData},
	{src: "INSERT INTO {t:Identifier} VALUES (1)", text: "INSERT INTO {t:Identifier} ", format: "Values", data: " (1)", kind: insertData},
	{src: "INSERT INTO t FROM INFILE 'x' FORMAT CSV", kind: insertInfile},
	{src: "/* a */ insert into t (a) from -- b\n infile 'x'", kind: insertInfile},
	{src: "INSERT INTO t (a, 'unclosed VALUES", kind: insertNone},
	{src: "INSERT INTO t /* unclosed FORMAT CSV", kind: insertNone},
	{src: "INSERT INTO $a$ FORMAT CSV $a$ VALUES", text: "INSERT INTO $a$ FORMAT CSV $a$ ", format: "Values", kind: insertData},
}

func TestParseInsertHead(t *testing.T) {
	for _, test := range inserts {
		head, kind := parseInsertHead(test.src, true)
		if kind != test.kind || head.text != test.text || head.format != test.format || kind == insertData && test.src[head.end:] != test.data {
			t.Errorf("%q: got kind %d, text %q, format %q, end %d; want kind %d, text %q, format %q, data %q",
				test.src, kind, head.text, head.format, head.end, test.kind, test.text, test.format, test.data)
		}
	}
}

// What is said of the beginning of a text must hold for the whole.
func FuzzParseInsertHead(f *testing.F) {
	for _, test := range inserts {
		f.Add(test.src, uint(len(test.src)/2))
	}
	f.Fuzz(func(t *testing.T, src string, cut uint) {
		head, kind := parseInsertHead(src, true)
		if kind == insertUnsure {
			t.Fatal("unsure of a whole text")
		}
		if kind == insertData && (head.end > len(src) || !strings.HasPrefix(src, head.text)) {
			t.Fatalf("the head is %+v", head)
		}
		part, partKind := parseInsertHead(src[:cut%uint(len(src)+1)], false)
		if partKind != insertUnsure && (partKind != kind || part != head) {
			t.Fatalf("the beginning gives %+v (%d), the whole %+v (%d)", part, partKind, head, kind)
		}
		outlineOf(src, map[string]string{"csv": "CSV"})
	})
}

func TestReadStatement(t *testing.T) {
	data := strings.Repeat("1,'a'\n", 100_000)
	long := "SELECT '" + strings.Repeat("x", 100_000) + "'"
	columns := strings.Repeat("a, ", 10_000)
	for name, test := range map[string]struct {
		src, text, format, data string
	}{
		"long query":       {src: long, text: long},
		"data":             {src: "INSERT INTO t FORMAT CSV\n" + data, text: "INSERT INTO t ", format: "CSV", data: data},
		"long head":        {src: "INSERT INTO t (" + columns + "a) FORMAT CSV\n" + data, text: "INSERT INTO t (" + columns + "a) ", format: "CSV", data: data},
		"no data":          {src: "INSERT INTO t FORMAT CSV", text: "INSERT INTO t ", format: "CSV"},
		"insert of select": {src: "INSERT INTO t SELECT 1", text: "INSERT INTO t SELECT 1"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readStatement(iotest.HalfReader(strings.NewReader(test.src)))
			must(t, err)
			var rest []byte
			if got.data != nil {
				rest, err = io.ReadAll(got.data)
				must(t, err)
			}
			if got.text != test.text || got.format != test.format || string(rest) != test.data {
				t.Errorf("got %d bytes of text, format %q, %d bytes of data; want %d, %q, %d",
					len(got.text), got.format, len(rest), len(test.text), test.format, len(test.data))
			}
		})
	}
	if _, err := readStatement(iotest.ErrReader(io.ErrUnexpectedEOF)); err == nil {
		t.Error("a failing reader gave a statement")
	}
}

func TestOutline(t *testing.T) {
	formats := map[string]string{"csv": "CSV", "json": "JSON"}
	for text, want := range map[string]outline{
		"SELECT 1":                                  {first: "SELECT"},
		"/* a */ select 1 format Json;":             {first: "SELECT", format: "JSON"},
		"SELECT 'FORMAT CSV'":                       {first: "SELECT"},
		"SELECT a -- FORMAT CSV":                    {first: "SELECT"},
		"SELECT format FROM t ORDER BY format DESC": {first: "SELECT"},
		"(SELECT 1) FORMAT CSV SETTINGS a = 1":      {first: "(", format: "CSV"},
		"SELECT k GROUP BY k WITH\nTOTALS":          {first: "SELECT", totals: true},
		"SELECT 1 INTO/**/OUTFILE 'x'":              {first: "SELECT", outfile: true},
		"INSERT INTO outfile SELECT 1":              {first: "INSERT"},
		"":                                          {},
	} {
		if diff := cmp.Diff(want, outlineOf(text, formats), cmp.AllowUnexported(outline{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestParseException(t *testing.T) {
	for text, want := range map[string]exception{
		"Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR)":                                        {62, "Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR)"},
		"Code: 1002. DB::Exception: Code: 62. DB::Exception: Code: 47. DB::Exception: No x. (UNKNOWN)": {47, "Code: 47. DB::Exception: No x. (UNKNOWN)"},
		"something else": {49, "Code: 49. DB::Exception: something else. (LOGICAL_ERROR)"},
		"Code: 99999999999999999999. DB::Exception: x": {49, "Code: 49. DB::Exception: Code: 99999999999999999999. DB::Exception: x. (LOGICAL_ERROR)"},
	} {
		if got := *parseException(text); got != want {
			t.Errorf("%q: got %+v, want %+v", text, got, want)
		}
	}
}

func TestRecentEnough(t *testing.T) {
	for version, want := range map[string]bool{
		"26.7.0": true, "26.7.3-stable.1": true, "26.10": true, "27.1.0": true,
		"26.5.3": false, "25.12.1": false, "": false, "x.y": false,
	} {
		if got := recentEnough(version); got != want {
			t.Errorf("%q: got %t, want %t", version, got, want)
		}
	}
}
