-- +goose Up
-- Files of what was said, made when first asked for.
CREATE TABLE dumps (
    session  TEXT NOT NULL,
    format   TEXT NOT NULL,
    revision INTEGER NOT NULL, -- of the session, when the file was made
    key      TEXT NOT NULL,    -- where in the blob store it lies
    size     INTEGER NOT NULL,
    made_at  INTEGER NOT NULL,
    PRIMARY KEY (session, format)
) WITHOUT ROWID;

-- Sessions that have ended and whose chat is still to be made ready.
CREATE TABLE ended_sessions (
    session      TEXT PRIMARY KEY,
    leased_until INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- +goose Down
DROP TABLE ended_sessions;
DROP TABLE dumps;
