-- SPDX-License-Identifier: Apache-2.0
-- The shift: lots, the places of units in them, and visits. The order of a lot never changes; places and visits are never changed.

CREATE TABLE lot (
	number INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	product TEXT NOT NULL, profile TEXT NOT NULL,
	count INTEGER NOT NULL CHECK (count > 0),
	order_sha256 BLOB NOT NULL,
	state TEXT NOT NULL CHECK (state = 'open' OR state = 'closed' OR state = 'reverting' OR state = 'reverted'),
	opened_by TEXT NOT NULL, closed_by TEXT NOT NULL,
	opened_ms INTEGER NOT NULL, closed_ms INTEGER NOT NULL,
	"order" BLOB NOT NULL
) STRICT;
CREATE TRIGGER lot_is_never_removed BEFORE DELETE ON lot
BEGIN SELECT RAISE(ABORT, 'a lot is never forgotten'); END;

-- A unit takes its place in the transaction of its identity's intent. `given_up` when its lot was reverted.
CREATE TABLE place (
	number INTEGER PRIMARY KEY,
	lot TEXT NOT NULL REFERENCES lot (id),
	job TEXT NOT NULL REFERENCES job (id),
	given_up INTEGER NOT NULL,
	UNIQUE (lot, job)
) STRICT;
CREATE UNIQUE INDEX place_of_job ON place (job) WHERE given_up = 0;

-- How many units ended how is asked with each that ends.
CREATE INDEX job_by_verdict ON job (verdict);

CREATE TABLE visit (
	number INTEGER PRIMARY KEY,
	lot TEXT NOT NULL, serial TEXT NOT NULL,
	job TEXT NOT NULL, slot TEXT NOT NULL, label TEXT NOT NULL, registration_id TEXT NOT NULL,
	verdict TEXT NOT NULL CHECK (verdict = 'PASS' OR verdict = 'BUILT' OR verdict = 'HOLD' OR verdict = 'FAIL'),
	code TEXT NOT NULL, person TEXT NOT NULL,
	first INTEGER NOT NULL,
	-- Where the audit log tells of it: entries of this job, or of `visit` before the job was known.
	visit TEXT NOT NULL, entry_from INTEGER NOT NULL, entry_to INTEGER NOT NULL,
	begun_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX visit_of_unit ON visit (serial, lot);
CREATE INDEX visit_of_lot ON visit (lot) WHERE lot <> '';
CREATE TRIGGER visit_is_never_changed BEFORE UPDATE ON visit
BEGIN SELECT RAISE(ABORT, 'a visit is kept as it was'); END;
CREATE TRIGGER visit_is_never_removed BEFORE DELETE ON visit
BEGIN SELECT RAISE(ABORT, 'a visit is never forgotten'); END;

-- What the service was told of a unit whose lot was reverted: such a row is 'sent' and withdrawn. (The older CHECK of `state` cannot
-- be made wider without writing the whole table anew.)
ALTER TABLE outbox ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_withdrawn ON outbox (number) WHERE withdrawn = 1;

-- A disabled entry that stands in the service before a unit of an enrollment group: the certificate of its reverted lot.
CREATE TABLE block (
	job TEXT NOT NULL UNIQUE REFERENCES job (id),
	registration_id TEXT NOT NULL,
	time_ms INTEGER NOT NULL,
	leaf BLOB NOT NULL CHECK (length(leaf) > 0)
) STRICT;
