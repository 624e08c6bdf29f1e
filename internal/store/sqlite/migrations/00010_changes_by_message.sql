-- +goose Up
-- What became of a message is asked for by those who may know.
CREATE INDEX changes_by_message ON changes (meeting, target, at);

-- +goose Down
DROP INDEX changes_by_message;
