-- +goose Up
-- What apps called the messages that they sent, for a day.
CREATE TABLE idempotency_keys (
    app     TEXT NOT NULL,
    key     TEXT NOT NULL,
    meeting INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    digest  BLOB NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (app, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (at);

-- +goose Down
DROP TABLE idempotency_keys;
