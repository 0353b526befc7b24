package check

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The binary of the image takes what its containers are given: the command, every
// variable, and the files of the Secrets.
func TestBinaryTakesTheSettings(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "ingest")
	compile := exec.Command("go", "build", "-buildvcs=false", "-tags", "noembed", "-o", binary, "./cmd/ingest")
	compile.Dir = root
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ingest := func(env []string, args ...string) (string, error) {
		command := exec.Command(binary, args...)
		command.Dir, command.Env = t.TempDir(), env
		out, err := command.CombinedOutput()
		return string(out), err
	}
	c := build(t, "../overlays/example")
	for kind, pod := range c.pods() {
		folder := t.TempDir()
		for _, v := range pod.Spec.Volumes {
			if v.Secret == nil {
				continue
			}
			for _, m := range pod.Spec.Containers[0].VolumeMounts {
				if m.Name == v.Name {
					c.write(t, v.Secret.SecretName, filepath.Join(folder, m.MountPath))
				}
			}
		}
		container := pod.Spec.Containers[0]
		help, err := ingest(nil, append(container.Args, "--help")...)
		if err != nil {
			t.Errorf("%s: %v: %s", kind, err, help)
		}
		var env []string
		for name, value := range c.env(t, container) {
			if strings.HasPrefix(value, "/") {
				value = filepath.Join(folder, value)
			}
			env = append(env, name+"="+value)
			if strings.HasPrefix(name, "INGEST_") && !strings.Contains(help, "$"+name) {
				t.Errorf("%s: ingest %s knows no %s", kind, container.Args[0], name)
			}
		}
		// Whoever copies the example and replaces nothing is told so.
		if kind == "StatefulSet" {
			if out, err := ingest(env, "config", "check"); err == nil || !strings.Contains(out, "at least 16 characters") {
				t.Errorf("with the token of the example: %v: %s", err, out)
			}
			token := filepath.Join(t.TempDir(), "console-token")
			if err := os.WriteFile(token, []byte("0123456789abcdef0123456789abcdef\n"), 0o440); err != nil {
				t.Fatal(err)
			}
			env = append(env, "INGEST_CONSOLE_TOKEN_FILE="+token)
		}
		if out, err := ingest(env, "config", "check"); err != nil || !strings.HasPrefix(out, "ok: ") {
			t.Errorf("%s: %v: %s", kind, err, out)
		}
	}
}

// write writes the files of a Secret: those of the example, or a certificate.
func (c *cluster) write(t *testing.T, name, folder string) {
	t.Helper()
	files := make(map[string][]byte)
	for _, secret := range c.secrets {
		if secret.Name == name {
			files = secret.Data
		}
	}
	if name == "kslive-tls" {
		files["tls.crt"], files["tls.key"] = newCertificate(t)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, content := range files {
		if err := os.WriteFile(filepath.Join(folder, file), content, 0o440); err != nil {
			t.Fatal(err)
		}
	}
}

func newCertificate(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"kslive"}, NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}
