-- +goose Up
-- Keys have scopes and may be for all apps. Those made before may do everything
-- in their app.
CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE,
    app        TEXT REFERENCES apps (id), -- NULL: for all apps
    name       TEXT NOT NULL,
    scopes     TEXT NOT NULL,             -- joined by a space
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX api_keys_by_app ON api_keys (app, created_at);
INSERT INTO api_keys
    SELECT lower(hex(substr(hash, 1, 4)) || '-' || hex(substr(hash, 5, 2)) || '-4' || substr(hex(substr(hash, 7, 2)), 2)
        || '-8' || substr(hex(substr(hash, 9, 2)), 2) || '-' || hex(substr(hash, 11, 6))), hash, app, name, 'admin', created_at
    FROM api_tokens;
DROP TABLE api_tokens;

-- +goose Down
CREATE TABLE api_tokens (
    hash       BLOB PRIMARY KEY,
    app        TEXT NOT NULL REFERENCES apps (id),
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO api_tokens SELECT hash, app, name, created_at FROM api_keys WHERE app IS NOT NULL;
DROP TABLE api_keys;
