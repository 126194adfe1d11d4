-- SPDX-License-Identifier: Apache-2.0
-- The bodies of a closed lot's entries may leave for an archive. What stays of an entry is everything but its body: its hashes, so
-- that the tree and every checkpoint are verified as before.

CREATE TABLE archive (
	number INTEGER PRIMARY KEY,
	lot TEXT NOT NULL UNIQUE REFERENCES lot (id),
	entries INTEGER NOT NULL CHECK (entries > 0),
	sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
	time_ms INTEGER NOT NULL
) STRICT;
CREATE TRIGGER archive_is_never_changed BEFORE UPDATE ON archive
BEGIN SELECT RAISE(ABORT, 'an archive is kept on record as it is'); END;
CREATE TRIGGER archive_is_never_removed BEFORE DELETE ON archive
BEGIN SELECT RAISE(ABORT, 'an archive is kept on record as it is'); END;

ALTER TABLE entry ADD COLUMN archive INTEGER REFERENCES archive (number);

DROP TRIGGER entry_is_never_changed;
CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
WHEN old.archive IS NOT NULL OR new.archive IS NULL OR length(new.entry) > 0 OR new.idx <> old.idx OR new.time_ms <> old.time_ms
	OR new.type <> old.type OR new.job <> old.job OR new.hashes <> old.hashes
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
