-- SPDX-License-Identifier: Apache-2.0
-- What the provisioning service has to be told, one row per unit, in the order of `number`. The long column comes last, so that
-- counting and walking never follow overflow pages.

CREATE TABLE outbox (
	number INTEGER PRIMARY KEY,
	job TEXT NOT NULL UNIQUE REFERENCES job (id),
	registration_id TEXT NOT NULL,
	state TEXT NOT NULL CHECK (state = 'waiting' OR state = 'sent' OR state = 'aside'),
	tries INTEGER NOT NULL,
	error TEXT NOT NULL, error_what TEXT NOT NULL,
	queued_ms INTEGER NOT NULL,
	settled_ms INTEGER NOT NULL,
	body BLOB NOT NULL CHECK (length(body) > 0)
) STRICT;
CREATE INDEX outbox_by_state ON outbox (state);
CREATE INDEX outbox_by_age ON outbox (queued_ms) WHERE state = 'waiting';

CREATE TRIGGER outbox_is_never_removed BEFORE DELETE ON outbox
BEGIN SELECT RAISE(ABORT, 'what was sent or waits is never forgotten'); END;
