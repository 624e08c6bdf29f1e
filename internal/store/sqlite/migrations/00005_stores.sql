-- +goose Up

-- What the apps of a meeting share in stores, as long as the session lives.
CREATE TABLE store_items (
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    store   TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   BLOB,             -- JSON; NULL for a key that was deleted
    peer    TEXT NOT NULL,    -- who wrote or deleted it last
    at      INTEGER NOT NULL, -- when
    rival   INTEGER NOT NULL, -- when another peer did so before, 0 for never
    crc     INTEGER NOT NULL,
    PRIMARY KEY (session, store, key)
);
CREATE INDEX store_items_deleted ON store_items (session, at) WHERE value IS NULL;

-- What they hold together, counted along.
CREATE TABLE store_totals (
    session TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    keys    INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    last_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Stores go with the session, however it comes to its end.
-- +goose StatementBegin
CREATE TRIGGER stores_end AFTER UPDATE OF ended_at ON sessions WHEN NEW.ended_at IS NOT NULL
BEGIN
    DELETE FROM store_items WHERE session = NEW.id;
    DELETE FROM store_totals WHERE session = NEW.id;
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER stores_end;
DROP TABLE store_totals;
DROP TABLE store_items;
