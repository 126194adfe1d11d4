-- SPDX-License-Identifier: Apache-2.0
-- What a ledger is from the beginning: its name, the audit log with its checkpoints, the jobs, and what rehearsals left in the cloud.
-- What is not known yet is NULL, so that UNIQUE speaks only of what is known.

CREATE TABLE meta (
	name TEXT PRIMARY KEY,
	value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- One audit entry. `hashes` holds the RFC 6962 hashes of the perfect subtrees that this entry completes, its own leaf hash first:
-- the node (level, n) is hash number `level` of entry ((n + 1) << level) - 1. The long column comes last, so that reading a node
-- never follows overflow pages.
CREATE TABLE entry (
	idx INTEGER PRIMARY KEY CHECK (idx >= 0),
	time_ms INTEGER NOT NULL,
	type TEXT NOT NULL,
	job TEXT NOT NULL,
	hashes BLOB NOT NULL CHECK (length(hashes) >= 32 AND length(hashes) % 32 = 0),
	entry BLOB NOT NULL
) STRICT;

CREATE TABLE checkpoint (
	id INTEGER PRIMARY KEY,
	size INTEGER NOT NULL CHECK (size >= 0),
	root BLOB NOT NULL CHECK (length(root) = 32),
	note TEXT NOT NULL,
	time_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX checkpoint_by_size ON checkpoint (size, id);

-- Against accidents. Who drops these triggers is found by the tree and by the checkpoints that left the station.
CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER entry_is_never_removed BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER entry_is_never_replaced BEFORE INSERT ON entry WHEN EXISTS (SELECT 1 FROM entry WHERE idx = new.idx)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER checkpoint_is_never_changed BEFORE UPDATE ON checkpoint
BEGIN SELECT RAISE(ABORT, 'a checkpoint is kept as it is'); END;
CREATE TRIGGER checkpoint_is_never_removed BEFORE DELETE ON checkpoint
BEGIN SELECT RAISE(ABORT, 'a checkpoint is kept as it is'); END;
CREATE TRIGGER checkpoint_is_never_replaced BEFORE INSERT ON checkpoint WHEN EXISTS (SELECT 1 FROM checkpoint WHERE id = new.id)
BEGIN SELECT RAISE(ABORT, 'a checkpoint is kept as it is'); END;

-- One unit. The four UNIQUE columns that name a unit are the guard against clones.
CREATE TABLE job (
	number INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	slot TEXT, driver TEXT, profile TEXT, "order" TEXT,
	serial TEXT UNIQUE,
	model TEXT, revision TEXT,
	stage TEXT,
	-- Not IN (…): SQLite builds a table of the four for that, in every statement, which costs more than the rest of an update.
	verdict TEXT CHECK (verdict = 'PASS' OR verdict = 'BUILT' OR verdict = 'HOLD' OR verdict = 'FAIL'),
	error TEXT, error_what TEXT,
	ek_sha256 BLOB,
	ek_spki_sha256 BLOB UNIQUE,
	leaf_spki_sha256 BLOB UNIQUE,
	registration_id TEXT UNIQUE,
	cert_serial BLOB UNIQUE,
	intent_index INTEGER NOT NULL,
	leaf BLOB,
	bundle_sha256 BLOB,
	hub TEXT, device_id TEXT,
	closed INTEGER NOT NULL,
	started_ms INTEGER NOT NULL,
	updated_ms INTEGER NOT NULL,
	visits INTEGER NOT NULL
) STRICT;
CREATE TRIGGER job_is_never_removed BEFORE DELETE ON job
BEGIN SELECT RAISE(ABORT, 'a unit is never forgotten'); END;

CREATE TABLE trace (
	id INTEGER PRIMARY KEY,
	job TEXT NOT NULL REFERENCES job (id),
	what TEXT NOT NULL CHECK (what IN ('registration', 'hub device')),
	place TEXT NOT NULL,
	name TEXT NOT NULL,
	time_ms INTEGER NOT NULL,
	UNIQUE (job, what, place, name)
) STRICT;
