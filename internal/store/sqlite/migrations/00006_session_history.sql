-- +goose Up

-- What the sessions API tells: who was there when, and how long. Durations are
-- milliseconds. A session counts its peers as they come and go, so that lists
-- count nothing.

-- How many peers were kicked here, so that the others need not be asked for.
ALTER TABLE meetings ADD COLUMN kicks INTEGER NOT NULL DEFAULT 0;
CREATE INDEX meetings_closed ON meetings (no) WHERE active = 0 AND session IS NOT NULL;

ALTER TABLE sessions ADD COLUMN app TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN peers INTEGER NOT NULL DEFAULT 0; -- all that ever joined
ALTER TABLE sessions ADD COLUMN live INTEGER NOT NULL DEFAULT 0;  -- those that are there
ALTER TABLE sessions ADD COLUMN most INTEGER NOT NULL DEFAULT 0;  -- the most that were there at once
ALTER TABLE sessions ADD COLUMN spent INTEGER NOT NULL DEFAULT 0; -- all finished stays
ALTER TABLE sessions ADD COLUMN since INTEGER NOT NULL DEFAULT 0; -- the sum of peers.since of those that are there
ALTER TABLE sessions ADD COLUMN revision INTEGER NOT NULL DEFAULT 0; -- grows with every change to its messages
CREATE INDEX sessions_by_app ON sessions (app, started_at);

ALTER TABLE peers ADD COLUMN custom_id TEXT NOT NULL DEFAULT '';
ALTER TABLE peers ADD COLUMN preset_name TEXT NOT NULL DEFAULT '';
ALTER TABLE peers ADD COLUMN since INTEGER NOT NULL DEFAULT 0; -- when the last stay began
ALTER TABLE peers ADD COLUMN spent INTEGER NOT NULL DEFAULT 0; -- all finished stays
ALTER TABLE peers ADD COLUMN events INTEGER NOT NULL DEFAULT 0;
ALTER TABLE peers ADD COLUMN kicked INTEGER NOT NULL DEFAULT 0; -- 1 by itself, 2 with everybody
CREATE INDEX peers_kicked ON peers (id) WHERE kicked > 0;

-- Each coming and going: kind 1 joined, 2 left, 3 kicked.
CREATE TABLE peer_events (
    session      TEXT NOT NULL,
    peer         TEXT NOT NULL,
    no           INTEGER NOT NULL,
    kind         INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    display_name TEXT NOT NULL,
    preset_name  TEXT NOT NULL,
    PRIMARY KEY (session, peer, no)
) WITHOUT ROWID;

-- What was kept before tells of one stay of each peer.
UPDATE peers SET since = joined_at, spent = COALESCE(MAX(left_at - joined_at, 0), 0), events = 1 + (left_at IS NOT NULL),
    custom_id = COALESCE((SELECT custom_id FROM participants WHERE id = peers.participant), ''),
    preset_name = COALESCE((SELECT r.name FROM participants p JOIN presets r ON r.id = p.preset WHERE p.id = peers.participant), '');
INSERT INTO peer_events SELECT session, id, 1, 1, joined_at, display_name, preset_name FROM peers;
INSERT INTO peer_events SELECT session, id, 2, 2, left_at, display_name, preset_name FROM peers WHERE left_at IS NOT NULL;
UPDATE sessions SET app = (SELECT app FROM meetings WHERE no = sessions.meeting),
    peers = (SELECT COUNT(*) FROM peers WHERE session = sessions.id),
    live = (SELECT COUNT(*) FROM peers WHERE session = sessions.id AND left_at IS NULL),
    most = (SELECT COUNT(*) FROM peers WHERE session = sessions.id AND left_at IS NULL),
    spent = (SELECT COALESCE(SUM(spent), 0) FROM peers WHERE session = sessions.id),
    since = (SELECT COALESCE(SUM(since), 0) FROM peers WHERE session = sessions.id AND left_at IS NULL);
UPDATE sessions SET most = MAX(most, peers > 0);

-- +goose Down
DROP TABLE peer_events;
DROP INDEX peers_kicked;
ALTER TABLE peers DROP COLUMN kicked;
ALTER TABLE peers DROP COLUMN events;
ALTER TABLE peers DROP COLUMN spent;
ALTER TABLE peers DROP COLUMN since;
ALTER TABLE peers DROP COLUMN preset_name;
ALTER TABLE peers DROP COLUMN custom_id;
DROP INDEX sessions_by_app;
ALTER TABLE sessions DROP COLUMN revision;
ALTER TABLE sessions DROP COLUMN since;
ALTER TABLE sessions DROP COLUMN spent;
ALTER TABLE sessions DROP COLUMN most;
ALTER TABLE sessions DROP COLUMN live;
ALTER TABLE sessions DROP COLUMN peers;
ALTER TABLE sessions DROP COLUMN app;
DROP INDEX meetings_closed;
ALTER TABLE meetings DROP COLUMN kicks;
