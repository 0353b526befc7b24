// Command ingest watches Kuaishou live rooms and keeps what they send in
// ClickHouse. `ingest --help` tells the rest.
package main

import (
	"context"
	"os"

	"kslive/internal/chdb"
)

func main() {
	chdb.Child() // does not return in the process that runs the embedded ClickHouse
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
