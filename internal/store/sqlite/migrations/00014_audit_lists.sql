-- Rows of the audit log are looked for by what they concern, which is quick in a
-- log of years, too. An action alone is not: there are few, each with many rows.

-- +goose Up
CREATE INDEX audit_by_meeting ON audit (meeting, no) WHERE meeting <> '';
CREATE INDEX audit_by_actor ON audit (actor, no) WHERE actor <> '';
CREATE INDEX audit_by_object ON audit (object, no) WHERE object <> '';

-- +goose Down
DROP INDEX audit_by_object;
DROP INDEX audit_by_actor;
DROP INDEX audit_by_meeting;
