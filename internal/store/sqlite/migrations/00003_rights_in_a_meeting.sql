-- +goose Up
-- What others in the meeting have changed of a participant's permissions: a
-- JSON object that lies over that of the preset; '' for nothing.
ALTER TABLE participants ADD COLUMN override TEXT NOT NULL DEFAULT '';

-- Who has been let in from the waiting room of a session.
CREATE TABLE admissions (
    session     TEXT NOT NULL,
    participant TEXT NOT NULL,
    PRIMARY KEY (session, participant)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE admissions;
ALTER TABLE participants DROP COLUMN override;
