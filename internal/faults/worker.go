package main

import (
	"context"
	"time"
)

func workerScenarios() []*scenario {
	return []*scenario{
		{
			name: "worker-kill-9", breaks: "the worker is killed with kill -9 at random moments and started again",
			short: true, sockets: true, inject: killNine,
		},
		{
			name: "worker-sigterm", breaks: "the worker is stopped with SIGTERM under load and started again",
			short: true, rate: 50, sockets: true, inject: terminate,
		},
	}
}

func killNine(ctx context.Context, s *stage) error {
	w := s.workers[0]
	for range s.times(6, 200) {
		if err := s.wait(ctx, 100*time.Millisecond, 2500*time.Millisecond); err != nil {
			return err
		}
		if err := w.kill(); err != nil {
			return err
		}
		s.injected++
		if err := w.start(); err != nil {
			return err
		}
	}
	return s.recover(ctx)
}

// terminate loses nothing that the worker was sent: it reads on until the server
// has closed the connection.
func terminate(ctx context.Context, s *stage) error {
	w := s.workers[0]
	for range s.times(2, 10) {
		if err := s.wait(ctx, 500*time.Millisecond, 3*time.Second); err != nil {
			return err
		}
		if err := w.end(ctx); err != nil {
			return err
		}
		s.injected++
		if err := w.start(); err != nil {
			return err
		}
		if err := s.recover(ctx); err != nil {
			return err
		}
	}
	return nil
}
