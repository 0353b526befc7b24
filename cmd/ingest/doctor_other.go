//go:build !linux && !darwin

package main

import "errors"

func freeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }

func openFiles() (int64, bool) { return 0, false }
