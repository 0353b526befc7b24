package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kslive/internal/chdb"
)

// binaryEnv makes this test binary be ingest, so that tests can start it as a
// process, and kill it.
const binaryEnv = "INGEST_TEST_BE_THE_BINARY"

func TestMain(m *testing.M) {
	chdb.Child()
	if os.Getenv(binaryEnv) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"ingest": main})
}

// The command line as a person uses it: testdata/script holds one story a file.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}
