package ingest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"kslive/internal/chdb"
)

// testDataDir holds the engines' data for one run of the tests.
var testDataDir string

func TestMain(m *testing.M) {
	chdb.Child()
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if testDataDir, err = os.MkdirTemp("", "kslive-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(testDataDir)
	code := m.Run()
	if cluster := postgresForTests.cluster; cluster != nil {
		if err := cluster.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// containsSecret says whether an error would show secret to anybody.
func containsSecret(err error, secret string) bool {
	return strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret)
}
