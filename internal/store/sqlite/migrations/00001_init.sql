-- +goose Up

-- Times are unix milliseconds. Ids are text as the API shows them; inside,
-- a meeting goes by its short number.

CREATE TABLE keys (
    name       TEXT PRIMARY KEY,
    secret     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE apps (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE api_tokens (
    hash       BLOB PRIMARY KEY,
    app        TEXT NOT NULL REFERENCES apps (id),
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE presets (
    id         TEXT PRIMARY KEY,
    app        TEXT NOT NULL REFERENCES apps (id),
    name       TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (app, name)
) WITHOUT ROWID;

CREATE TABLE meetings (
    no           INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    app          TEXT NOT NULL REFERENCES apps (id),
    title        TEXT NOT NULL,
    active       INTEGER NOT NULL DEFAULT 1,
    persist_chat INTEGER NOT NULL DEFAULT 0,
    keep_alive   INTEGER NOT NULL DEFAULT 60,
    settings     TEXT NOT NULL DEFAULT '{}',
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    -- the head of the journal
    epoch        TEXT NOT NULL,
    last_seq     INTEGER NOT NULL DEFAULT 0,
    last_pub     INTEGER NOT NULL DEFAULT 0,
    last_at      INTEGER NOT NULL DEFAULT 0,
    session      TEXT
);
CREATE INDEX meetings_by_app ON meetings (app, created_at);

CREATE TABLE participants (
    id         TEXT PRIMARY KEY,
    meeting    INTEGER NOT NULL REFERENCES meetings (no),
    custom_id  TEXT NOT NULL,
    name       TEXT NOT NULL,
    picture    TEXT NOT NULL,
    preset     TEXT NOT NULL REFERENCES presets (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX participants_by_meeting ON participants (meeting, created_at);

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,
    meeting    INTEGER NOT NULL REFERENCES meetings (no),
    -- the number of the first entry that can belong to the session
    first_seq  INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    -- set while nobody is there: when the session ends unless somebody comes
    ends_at    INTEGER,
    ended_at   INTEGER
) WITHOUT ROWID;
CREATE INDEX sessions_by_meeting ON sessions (meeting, started_at);
CREATE INDEX sessions_live ON sessions (ends_at) WHERE ended_at IS NULL;

CREATE TABLE peers (
    session      TEXT NOT NULL REFERENCES sessions (id),
    id           TEXT NOT NULL,
    participant  TEXT NOT NULL,
    display_name TEXT NOT NULL,
    joined_at    INTEGER NOT NULL,
    left_at      INTEGER,
    -- the last entry the peer is known to have received
    seen_seq     INTEGER NOT NULL,
    PRIMARY KEY (session, id)
) WITHOUT ROWID;

-- A row is the entry "sent" and the message as it stands now in one. The
-- content of a deleted message moves to changes.
CREATE TABLE messages (
    meeting      INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    pub          INTEGER NOT NULL, -- 0 for a private message
    at           INTEGER NOT NULL,
    id           TEXT NOT NULL,
    session      TEXT NOT NULL,
    author       TEXT NOT NULL,
    peer         TEXT NOT NULL,
    display_name TEXT NOT NULL,
    kind         INTEGER NOT NULL,
    payload      TEXT NOT NULL,
    audience     TEXT NOT NULL, -- '' for a public message, else ids joined by a space
    pinned       INTEGER NOT NULL,
    edited_at    INTEGER NOT NULL,
    deleted_at   INTEGER NOT NULL,
    crc          INTEGER NOT NULL,
    PRIMARY KEY (meeting, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX messages_by_id ON messages (id);
CREATE INDEX messages_public ON messages (meeting, at) WHERE pub > 0 AND deleted_at = 0;
CREATE INDEX messages_pinned ON messages (meeting, at) WHERE pinned = 1;

-- Entries other than "sent".
CREATE TABLE changes (
    meeting INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    pub     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    kind    INTEGER NOT NULL,
    target  INTEGER NOT NULL, -- seq of the message
    actor   TEXT NOT NULL,
    peer    TEXT NOT NULL,
    before  TEXT NOT NULL, -- the payload that an edit or a deletion replaced
    crc     INTEGER NOT NULL,
    PRIMARY KEY (meeting, seq)
) WITHOUT ROWID;

-- The private entries of each participant, in their own count.
CREATE TABLE mailbox (
    meeting     INTEGER NOT NULL,
    participant TEXT NOT NULL,
    own         INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (meeting, participant, own)
) WITHOUT ROWID;
CREATE INDEX mailbox_by_time ON mailbox (meeting, participant, at);

-- What clients called their messages. These rows outlive deletion.
CREATE TABLE client_ids (
    meeting     INTEGER NOT NULL,
    participant TEXT NOT NULL,
    client_id   TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    digest      BLOB NOT NULL,
    PRIMARY KEY (meeting, participant, client_id)
) WITHOUT ROWID;

CREATE TABLE uploads (
    id          TEXT PRIMARY KEY,
    meeting     INTEGER NOT NULL REFERENCES meetings (no),
    participant TEXT NOT NULL,
    name        TEXT NOT NULL,
    max_size    INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL, -- until when it may be put
    blob        TEXT,             -- where the bytes lie; NULL until they have arrived, like size and sha256
    size        INTEGER,
    sha256      BLOB,
    media_type  TEXT NOT NULL DEFAULT '',
    attached_at INTEGER,          -- NULL until a message refers to it
    created_at  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX uploads_unused_by_participant ON uploads (participant) WHERE attached_at IS NULL;
CREATE INDEX uploads_unused ON uploads (expires_at) WHERE attached_at IS NULL;

-- Keys of the blob store under which there may be bytes that no upload points
-- to: on their way, replaced, or of an upload that was dropped.
CREATE TABLE loose_blobs (
    key    TEXT PRIMARY KEY,
    due_at INTEGER NOT NULL -- when they may be deleted
) WITHOUT ROWID;
CREATE INDEX loose_blobs_due ON loose_blobs (due_at);

-- +goose Down
DROP TABLE loose_blobs;
DROP TABLE uploads;
DROP TABLE client_ids;
DROP TABLE mailbox;
DROP TABLE changes;
DROP TABLE messages;
DROP TABLE peers;
DROP TABLE sessions;
DROP TABLE participants;
DROP TABLE meetings;
DROP TABLE presets;
DROP TABLE api_tokens;
DROP TABLE apps;
DROP TABLE keys;
