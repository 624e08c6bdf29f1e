-- +goose Up
CREATE TABLE webhooks (
    id         TEXT PRIMARY KEY,
    app        TEXT NOT NULL REFERENCES apps (id),
    name       TEXT NOT NULL,
    url        TEXT NOT NULL,
    events     TEXT NOT NULL, -- names joined by a space
    enabled    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX webhooks_by_app ON webhooks (app, created_at);

-- What has happened and is to be told, once for each webhook that wants it.
CREATE TABLE deliveries (
    no           INTEGER PRIMARY KEY, -- the order in which things happened
    id           TEXT NOT NULL UNIQUE,
    webhook      TEXT NOT NULL,
    event        TEXT NOT NULL,
    body         TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    due_at       INTEGER,             -- NULL when it is settled for good
    leased_until INTEGER NOT NULL DEFAULT 0,
    tried_at     INTEGER,
    status       INTEGER,             -- of the last answer
    reason       TEXT NOT NULL DEFAULT ''
);
CREATE INDEX deliveries_due ON deliveries (webhook, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_leased ON deliveries (webhook, leased_until) WHERE leased_until > 0;
CREATE INDEX deliveries_by_age ON deliveries (created_at);

-- +goose Down
DROP TABLE deliveries;
DROP TABLE webhooks;
