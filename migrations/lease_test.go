package migrations

import "testing"

// Whoever goes back to leases of the slots finds each slot with the end of its
// worker's lease, and can go forward again.
func TestWorkerLeaseIsTakenBack(t *testing.T) {
	postgresURL, _ := migrated(t)
	conn := connect(t, postgresURL)
	for _, sql := range []string{
		"INSERT INTO workers (name, instance, capacity, lease_until) VALUES ('alive', 'a', 1, now() + interval '1 hour')",
		"INSERT INTO lives (live_id) VALUES ('held'), ('left'), ('own')",
		"UPDATE live_state SET owner = 'alive', lease_until = 'infinity' WHERE live = (SELECT id FROM lives WHERE live_id = 'held')",
		"UPDATE live_state SET owner = 'gone', lease_until = 'infinity' WHERE live = (SELECT id FROM lives WHERE live_id = 'left')",
		"UPDATE live_state SET owner = 'before', lease_until = now() + interval '2 hours' WHERE live = (SELECT id FROM lives WHERE live_id = 'own')",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	target, err := openPostgres(postgresURL)
	if err != nil {
		t.Fatal(err)
	}
	defer target.db.Close()
	provider, err := target.provider()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.DownTo(t.Context(), 8); err != nil {
		t.Fatal(err)
	}
	states := func() (states string) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), "SELECT string_agg(live_id || ' ' || state, ', ' ORDER BY live_id) FROM live_status").Scan(&states); err != nil {
			t.Fatal(err)
		}
		return states
	}
	const want = "held queued, left lost, own queued"
	if got := states(); got != want {
		t.Errorf("%s; want %s", got, want)
	}
	var right bool
	if err := conn.QueryRow(t.Context(), `SELECT bool_and(lease_until = CASE owner WHEN 'gone' THEN '-infinity' ELSE lease_until END AND lease_until < 'infinity')
		AND bool_or(lease_until = (SELECT lease_until FROM workers)) FROM live_state`).Scan(&right); err != nil || !right {
		t.Errorf("the slots do not have the ends of their workers' leases: %v", err)
	}
	if _, err := provider.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := states(); got != want {
		t.Errorf("forward again: %s; want %s", got, want)
	}
}
