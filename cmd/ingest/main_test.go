package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kslive/internal/chdb"
	"kslive/internal/pgembed"
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
	library, err := chdb.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	bin, err := pgembed.Find("")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: func(env *testscript.Env) error {
		env.Setenv("INGEST_CHDB_LIBRARY", library)
		env.Setenv("INGEST_POSTGRES_BIN", bin)
		return nil
	}})
}
