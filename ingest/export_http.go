package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ErrNotHTTP is returned by OpenExporter for the URL of ClickHouse's native
// protocol, in which no file format but its own can be asked for.
var ErrNotHTTP = errors.New("Parquet is written by ClickHouse itself, over its HTTP interface")

// Exporter asks ClickHouse for files, over HTTP.
type Exporter struct {
	url    string
	header http.Header
	client http.Client
}

// OpenExporter prepares to ask the server that dsn names, in clickhouse-go's
// form: http://user:password@host:8123/database or https. It does not connect
// yet.
func OpenExporter(dsn string) (*Exporter, error) {
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		// The driver's error repeats the DSN, and with it the password.
		return nil, errors.New("the ClickHouse URL cannot be read: it must look like http://user:password@host:8123/database")
	}
	if options.Protocol != clickhouse.HTTP {
		return nil, ErrNotHTTP
	}
	scheme := "http"
	if options.TLS != nil {
		scheme = "https"
	}
	x := &Exporter{
		url:    fmt.Sprintf("%s://%s/?%s", scheme, options.Addr[0], url.Values{"database": {options.Auth.Database}}.Encode()),
		header: make(http.Header),
		client: http.Client{Transport: &http.Transport{TLSClientConfig: options.TLS, Proxy: http.ProxyFromEnvironment}},
	}
	if options.Auth.Username != "" {
		x.header.Set("X-ClickHouse-User", options.Auth.Username)
		x.header.Set("X-ClickHouse-Key", options.Auth.Password)
	}
	return x, nil
}

// Close closes idle connections.
func (x *Exporter) Close() { x.client.CloseIdleConnections() }

// parquetMagic begins and ends every Parquet file: one that was cut off does not
// end with it.
var parquetMagic = []byte("PAR1")

// Parquet writes the rows of a part to w, as a Parquet file.
func (x *Exporter) Parquet(ctx context.Context, table string, e Export, part ExportPart, w io.Writer) error {
	query := e.query(table, "*", part) + " SETTINGS output_format_parquet_string_as_string = 1 FORMAT Parquet"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url, strings.NewReader(query))
	if err != nil {
		return fmt.Errorf("exporting %s: %w", table, err)
	}
	request.Header = x.header.Clone()
	response, err := x.client.Do(request)
	if err != nil {
		var failed *url.Error // its own text has the URL
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return fmt.Errorf("exporting %s: %w", table, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		return fmt.Errorf("exporting %s: ClickHouse says: %s", table, strings.Join(strings.Fields(string(said)), " "))
	}
	end := &lastBytes{n: len(parquetMagic)}
	if _, err := io.Copy(io.MultiWriter(w, end), response.Body); err != nil {
		return fmt.Errorf("exporting %s: %w", table, err)
	}
	if !bytes.Equal(end.last, parquetMagic) {
		return fmt.Errorf("exporting %s: ClickHouse broke off in the middle: see its log, and export a shorter time", table)
	}
	return nil
}

// lastBytes is a writer that keeps the last n bytes.
type lastBytes struct {
	n    int
	last []byte
}

func (l *lastBytes) Write(p []byte) (int, error) {
	l.last = append(l.last, p[max(0, len(p)-l.n):]...)
	l.last = l.last[max(0, len(l.last)-l.n):]
	return len(p), nil
}
