-- +goose Up
-- What is set for the chat of a meeting; slow_mode is in seconds.
ALTER TABLE meetings ADD COLUMN chat_mode TEXT NOT NULL DEFAULT 'EVERYONE';
ALTER TABLE meetings ADD COLUMN no_private INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meetings ADD COLUMN hosts_pin INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meetings ADD COLUMN slow_mode INTEGER NOT NULL DEFAULT 0;

-- When participants last sent a message, while their meeting is in slow mode.
CREATE TABLE senders (
    meeting     INTEGER NOT NULL,
    participant TEXT NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (meeting, participant)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE senders;
ALTER TABLE meetings DROP COLUMN slow_mode;
ALTER TABLE meetings DROP COLUMN hosts_pin;
ALTER TABLE meetings DROP COLUMN no_private;
ALTER TABLE meetings DROP COLUMN chat_mode;
