package main

import (
	"errors"
	"fmt"
)

type enginesCommand struct {
	engineFlags
	Migrate bool `help:"Bring the tables up to date at the start." default:"true" negatable:""`
}

// Run keeps both engines up until the process is told to stop.
func (c *enginesCommand) Run(p *process) (err error) {
	engines, err := startEngines(p.taking, c.engineFlags, p.logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engines.Close()) }()
	if c.Migrate {
		if err := prepareTables(p.taking, engines.stores, true, p.logger); err != nil {
			return err
		}
	}
	fmt.Fprintf(p.stdout, "INGEST_POSTGRES=%s\nINGEST_CLICKHOUSE=%s\n", engines.Postgres, engines.ClickHouse)
	<-p.taking.Done()
	return nil
}
