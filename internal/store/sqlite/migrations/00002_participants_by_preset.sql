-- +goose Up
-- Whether a preset is in use is asked when it is to be deleted.
CREATE INDEX participants_by_preset ON participants (preset);

-- +goose Down
DROP INDEX participants_by_preset;
