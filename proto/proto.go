// Package kuaishou holds the messages of Kuaishou's web live protocol and the
// record of the spool, generated from the .proto files beside it.
package kuaishou

//go:generate go run ./internal/generate
