-- +goose Up
-- Who did what. Each row ends in a hash over the row before it and its own
-- columns, so that none can be changed or taken out without all after it.
CREATE TABLE audit (
    no          INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    by_kind     TEXT NOT NULL,
    actor       TEXT NOT NULL,
    app         TEXT NOT NULL,
    action      TEXT NOT NULL,
    route       TEXT NOT NULL,
    meeting     TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object      TEXT NOT NULL,
    chain       BLOB NOT NULL
);
CREATE INDEX audit_by_app ON audit (app, no);

-- +goose StatementBegin
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE audit;
