package check

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// database is a ClickHouse, asked over HTTP.
type database struct {
	url            url.URL
	user, password string
}

// answer is what a query brought.
type answer struct {
	Columns []column `json:"meta"`
	Rows    [][]any  `json:"data"`
}

type column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// open takes http://user:password@host:8123/database.
func open(address string) (*database, error) {
	at, err := url.Parse(address)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" {
		return nil, fmt.Errorf("the URL of ClickHouse must be http://user:password@host:8123/database")
	}
	db := &database{user: at.User.Username()}
	db.password, _ = at.User.Password()
	if file := at.Query().Get("password_file"); file != "" { // as `ingest engines` says it
		password, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the password of ClickHouse: %w", err)
		}
		db.password = strings.TrimSpace(string(password))
	}
	db.url = url.URL{Scheme: at.Scheme, Host: at.Host, Path: "/", RawQuery: url.Values{"database": {strings.Trim(at.Path, "/")}}.Encode()}
	return db, nil
}

// query runs sql with settings.
func (db *database) query(ctx context.Context, sql string, settings map[string]string) (answer, error) {
	var a answer
	body, err := db.post(ctx, sql, settings)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return a, fmt.Errorf("reading ClickHouse's answer: %w", err)
	}
	return a, nil
}

// do runs a statement that answers nothing.
func (db *database) do(ctx context.Context, sql string) error {
	_, err := db.post(ctx, sql, nil)
	return err
}

func (db *database) post(ctx context.Context, sql string, settings map[string]string) ([]byte, error) {
	at := db.url
	values := at.Query()
	values.Set("default_format", "JSONCompact")
	for name, value := range settings {
		values.Set(name, value)
	}
	at.RawQuery = values.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), strings.NewReader(sql))
	if err != nil {
		return nil, err
	}
	request.SetBasicAuth(db.user, db.password)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking ClickHouse: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", body)
	}
	return body, err
}

// freeAddress is one on loopback that nobody listens on.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
