-- +goose Up
-- Lists are read in the order of an index, and say how many rows there are
-- without counting them.
CREATE INDEX meetings_by_status ON meetings (app, active, created_at);
CREATE INDEX sessions_live_by_app ON sessions (app, started_at) WHERE ended_at IS NULL;
-- By the time that was spent: it stands still where nobody is, and is worked
-- out for the few sessions where somebody is.
CREATE INDEX sessions_by_spent ON sessions (app, spent) WHERE live = 0;
CREATE INDEX sessions_attended ON sessions (app) WHERE live > 0;

CREATE TABLE list_counts (
    list TEXT NOT NULL,
    of   TEXT NOT NULL, -- the app or the number of the meeting that has the rows
    rows INTEGER NOT NULL,
    PRIMARY KEY (list, of)
) WITHOUT ROWID;
INSERT INTO list_counts SELECT 'meetings', app, COUNT(*) FROM meetings GROUP BY app;
INSERT INTO list_counts SELECT 'active meetings', app, COUNT(*) FROM meetings WHERE active = 1 GROUP BY app;
INSERT INTO list_counts SELECT 'participants', meeting, COUNT(*) FROM participants GROUP BY meeting;
INSERT INTO list_counts SELECT 'sessions', app, COUNT(*) FROM sessions GROUP BY app;
INSERT INTO list_counts SELECT 'live sessions', app, COUNT(*) FROM sessions WHERE ended_at IS NULL GROUP BY app;

-- +goose StatementBegin
CREATE TRIGGER meeting_made AFTER INSERT ON meetings BEGIN
    INSERT INTO list_counts VALUES ('meetings', NEW.app, 1) ON CONFLICT DO UPDATE SET rows = rows + 1;
    INSERT INTO list_counts VALUES ('active meetings', NEW.app, NEW.active) ON CONFLICT DO UPDATE SET rows = rows + NEW.active;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER meeting_opened AFTER UPDATE OF active ON meetings WHEN NEW.active <> OLD.active BEGIN
    UPDATE list_counts SET rows = rows + NEW.active - OLD.active WHERE list = 'active meetings' AND of = NEW.app;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER meeting_gone AFTER DELETE ON meetings BEGIN
    UPDATE list_counts SET rows = rows - 1 WHERE list = 'meetings' AND of = OLD.app;
    UPDATE list_counts SET rows = rows - OLD.active WHERE list = 'active meetings' AND of = OLD.app;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER participant_made AFTER INSERT ON participants BEGIN
    INSERT INTO list_counts VALUES ('participants', NEW.meeting, 1) ON CONFLICT DO UPDATE SET rows = rows + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER participant_gone AFTER DELETE ON participants BEGIN
    UPDATE list_counts SET rows = rows - 1 WHERE list = 'participants' AND of = OLD.meeting;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER session_made AFTER INSERT ON sessions BEGIN
    INSERT INTO list_counts VALUES ('sessions', NEW.app, 1) ON CONFLICT DO UPDATE SET rows = rows + 1;
    INSERT INTO list_counts VALUES ('live sessions', NEW.app, NEW.ended_at IS NULL) ON CONFLICT DO UPDATE SET rows = rows + (NEW.ended_at IS NULL);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER session_ended AFTER UPDATE OF ended_at ON sessions WHEN (NEW.ended_at IS NULL) <> (OLD.ended_at IS NULL) BEGIN
    UPDATE list_counts SET rows = rows + (NEW.ended_at IS NULL) - (OLD.ended_at IS NULL) WHERE list = 'live sessions' AND of = NEW.app;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER session_gone AFTER DELETE ON sessions BEGIN
    UPDATE list_counts SET rows = rows - 1 WHERE list = 'sessions' AND of = OLD.app;
    UPDATE list_counts SET rows = rows - (OLD.ended_at IS NULL) WHERE list = 'live sessions' AND of = OLD.app;
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER session_gone;
DROP TRIGGER session_ended;
DROP TRIGGER session_made;
DROP TRIGGER participant_gone;
DROP TRIGGER participant_made;
DROP TRIGGER meeting_gone;
DROP TRIGGER meeting_opened;
DROP TRIGGER meeting_made;
DROP TABLE list_counts;
DROP INDEX sessions_attended;
DROP INDEX sessions_by_spent;
DROP INDEX sessions_live_by_app;
DROP INDEX meetings_by_status;
