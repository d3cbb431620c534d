-- The secret of before the last rotation, sealed, and how long it stays valid.
ALTER TABLE app_user ADD COLUMN previous_secret BLOB;
ALTER TABLE app_user ADD COLUMN previous_until BIGINT;
