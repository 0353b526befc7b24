// Package check proves that what Grafana is provisioned with works: every
// dashboard is of the schema that Grafana publishes, and every query of a panel,
// a variable, an annotation or an alert rule is run, as Grafana would send it, on
// the real engines with a simulated Kuaishou in them, and must answer what the
// panel draws. It is a module of its own so that what it needs stays out of ours.
//
// On a database of your own, BenchmarkPanels measures how long each panel takes:
//
//	go test -run '^$' -bench Panels -benchtime 20x -clickhouse http://user:password@host:8123/kslive
package check
