// Package dsn reads the URLs of ClickHouse that users give. They are in the
// driver's form, with two parameters of ours.
package dsn

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

const (
	// Cluster is the parameter that names the cluster whose nodes all have the
	// tables; see package migrations.
	Cluster = "cluster"
	// PasswordFile is the parameter that names a file with the password, so that the
	// URL is no secret.
	PasswordFile = "password_file"
)

// ErrUnreadable stands for the driver's errors, which repeat the URL, and with it
// the password.
var ErrUnreadable = errors.New("the ClickHouse URL cannot be read: it must look like clickhouse://user:password@host:9000/database or http://user:password@host:8123/database")

// ClickHouse reads a URL, and the password's file if it names one. Cluster is empty
// when it names none. No error holds the password.
func ClickHouse(url string) (options *clickhouse.Options, cluster string, err error) {
	options, err = clickhouse.ParseDSN(url)
	if err != nil {
		return nil, "", ErrUnreadable
	}
	if file := take(options, PasswordFile); file != "" {
		if options.Auth.Password != "" {
			return nil, "", fmt.Errorf("the ClickHouse URL has a password and a %s: leave one out", PasswordFile)
		}
		password, err := os.ReadFile(file)
		if err != nil {
			return nil, "", fmt.Errorf("reading the password of ClickHouse: %w", err)
		}
		options.Auth.Password = strings.TrimRight(string(password), "\r\n")
	}
	return options, take(options, Cluster), nil
}

// take removes a parameter of ours, which the driver would send to the server as a
// setting.
func take(options *clickhouse.Options, parameter string) string {
	value, named := options.Settings[parameter]
	if !named {
		return ""
	}
	delete(options.Settings, parameter)
	return fmt.Sprint(value)
}
