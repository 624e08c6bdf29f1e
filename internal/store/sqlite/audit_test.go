package sqlite_test

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/audit"
	"github.com/parley-chat/parley/internal/store/sqlite"
)

// logOf opens a store whose log has some rows, closes it and gives its database.
func logOf(t *testing.T) (path string, db *sql.DB) {
	t.Helper()
	dir := t.TempDir()
	store, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"one", "two", "three"} {
		if err := store.Record(t.Context(), audit.Act{By: audit.Operator, Action: action}); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	path = sqlite.DatabasePath(dir)
	if db, err = sql.Open("sqlite", path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return path, db
}

func TestTheAuditLogIsAppendOnly(t *testing.T) {
	_, db := logOf(t)
	for _, text := range []string{`UPDATE audit SET action = 'none' WHERE no = 2`, `DELETE FROM audit`, `DELETE FROM audit WHERE no = 3`} {
		if _, err := db.ExecContext(t.Context(), text); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestVerifyFindsWhatWasDoneToTheAuditLog(t *testing.T) {
	for what, c := range map[string]struct {
		damage string
		found  bool
	}{
		"nothing":            {`SELECT 1`, false},
		"a changed row":      {`UPDATE audit SET action = 'none' WHERE no = 2`, true},
		"a changed time":     {`UPDATE audit SET at = at + 1 WHERE no = 3`, true},
		"a row taken out":    {`DELETE FROM audit WHERE no = 2`, true},
		"the first gone":     {`DELETE FROM audit WHERE no = 1`, true},
		"one taken, closed":  {`DELETE FROM audit WHERE no = 2; UPDATE audit SET no = 2 WHERE no = 3`, true},
		"a row that is made": {`INSERT INTO audit SELECT 4, at, by_kind, actor, app, 'four', route, meeting, object_kind, object, chain FROM audit WHERE no = 3`, true},
	} {
		path, db := logOf(t)
		if _, err := db.ExecContext(t.Context(), `DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_deleted; `+c.damage); err != nil {
			t.Fatal(err)
		}
		f, err := sqlite.OpenFile(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		if _, err := f.Verify(t.Context(), sqlite.Checks{Found: func(d sqlite.Finding) {
			found = true
			if d.Code != sqlite.DamagedAudit {
				t.Errorf("%s: found %+v", what, d)
			}
		}}); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if found != c.found {
			t.Errorf("%s: found %v, want %v", what, found, c.found)
		}
	}
}
