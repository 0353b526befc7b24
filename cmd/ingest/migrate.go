package main

import "kslive/migrations"

type migrateCommand struct {
	engineFlags
	storeFlags
}

// Run brings both databases up to date.
func (c *migrateCommand) Run(p *process) error {
	found, err := c.requireBoth(c.DataDir)
	if err != nil {
		return err
	}
	return migrations.Run(p.taking, found.Postgres, found.ClickHouse, p.logger)
}
