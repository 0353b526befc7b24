package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"kslive/internal/dsn"
)

// ErrNotHTTP is returned by OpenExporter for the URL of ClickHouse's native
// protocol, in which no file format but its own can be asked for.
var ErrNotHTTP = errors.New("Parquet is written by ClickHouse itself, over its HTTP interface")

// httpInterface is the HTTP interface of a server.
type httpInterface struct {
	address    string // for messages
	url        string
	parameters url.Values
	header     http.Header
	client     http.Client
}

func newHTTPInterface(options *clickhouse.Options) httpInterface {
	scheme := "http"
	if options.TLS != nil {
		scheme = "https"
	}
	h := httpInterface{
		address:    options.Addr[0],
		url:        scheme + "://" + options.Addr[0] + "/",
		parameters: url.Values{"database": {options.Auth.Database}},
		header:     make(http.Header),
		client:     http.Client{Transport: &http.Transport{TLSClientConfig: options.TLS, Proxy: http.ProxyFromEnvironment}},
	}
	if options.Auth.Username != "" {
		h.header.Set("X-ClickHouse-User", options.Auth.Username)
		h.header.Set("X-ClickHouse-Key", options.Auth.Password)
	}
	return h
}

// Close closes idle connections.
func (h *httpInterface) Close() { h.client.CloseIdleConnections() }

// post sends a query. The caller must close the answer's body.
func (h *httpInterface) post(ctx context.Context, more url.Values, query string) (*http.Response, error) {
	parameters := maps.Clone(h.parameters)
	maps.Copy(parameters, more)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"?"+parameters.Encode(), strings.NewReader(query))
	if err != nil {
		return nil, withoutURL(err)
	}
	request.Header = h.header.Clone()
	response, err := h.client.Do(request)
	if err != nil {
		return nil, withoutURL(err)
	}
	return response, nil
}

// Exporter asks ClickHouse for files, over HTTP.
type Exporter struct{ httpInterface }

// OpenExporter prepares to ask the server that clickHouseURL names, in clickhouse-go's
// form: http://user:password@host:8123/database or https. It does not connect
// yet.
func OpenExporter(clickHouseURL string) (*Exporter, error) {
	options, _, err := dsn.ClickHouse(clickHouseURL)
	if err != nil {
		return nil, err
	}
	if options.Protocol != clickhouse.HTTP {
		return nil, ErrNotHTTP
	}
	return &Exporter{newHTTPInterface(options)}, nil
}

// parquetMagic begins and ends every Parquet file: one that was cut off does not
// end with it.
var parquetMagic = []byte("PAR1")

// Parquet writes the rows of a part to w, as a Parquet file.
func (x *Exporter) Parquet(ctx context.Context, table string, e Export, part ExportPart, w io.Writer) error {
	query := e.query(table, "*", part) + " SETTINGS output_format_parquet_string_as_string = 1 FORMAT Parquet"
	response, err := x.post(ctx, nil, query)
	if err != nil {
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
