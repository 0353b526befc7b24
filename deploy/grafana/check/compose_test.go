package check

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// service holds what is promised of every container.
type service struct {
	Image       string   `yaml:"image"`
	User        string   `yaml:"user"`
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	Ports       []string `yaml:"ports"`
	Command     []string `yaml:"command"`
}

// No container is root, can write where it need not or gain anything; all
// versions are named; nothing is published beyond this machine; and no password
// has a default.
func TestCompose(t *testing.T) {
	raw, err := os.ReadFile("../../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]service `yaml:"services"`
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	pinned := regexp.MustCompile(`:(v?\d+\.\d+[\d.]*|\$\{VERSION:-local\})$`)
	for name, s := range file.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s is not as the others: %+v", name, s)
		}
		if user, _, _ := strings.Cut(s.User, ":"); user == "" || user == "0" || user == "root" {
			t.Errorf("%s runs as %q", name, s.User)
		}
		if !pinned.MatchString(s.Image) {
			t.Errorf("%s: the image %s names no version", name, s.Image)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s is published at %s", name, port)
			}
		}
	}
	if given := regexp.MustCompile(`\$\{\w*PASSWORD(:-|-)?\w*\}`).FindString(string(raw)); given != "" {
		t.Errorf("a password with a default, or that need not be set: %s", given)
	}
	rooms := file.Services["demo-rooms"].Command[2:]
	simulated, err := playing(t).start(".", 1+len(rooms), slices.Concat(file.Services["simulator"].Command[:1], []string{"--listen=127.0.0.1:0"}, file.Services["simulator"].Command[2:])...)
	if err != nil || !slices.Equal(simulated[1:], rooms) {
		t.Errorf("the demo adds %v, the simulator has %v, %v", rooms, simulated, err)
	}
}

// ClickHouse does not start with a broken file.
func TestClickHouseConfiguration(t *testing.T) {
	files, err := filepath.Glob("../../clickhouse/*.d/*.xml")
	if err != nil || len(files) != 4 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		raw, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		decoder := xml.NewDecoder(raw)
		for err == nil {
			_, err = decoder.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", file, err)
		}
	}
}
