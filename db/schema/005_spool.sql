-- SPDX-License-Identifier: Apache-2.0
-- What the MES has to be told: an event once, and a delivery per adapter that has to deliver it. Delivered events are the only rows
-- of the ledger that are removed.

CREATE TABLE event (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE,
	type TEXT NOT NULL, unit TEXT NOT NULL,
	time_ms INTEGER NOT NULL,
	body BLOB NOT NULL CHECK (length(body) > 0)
) STRICT;
CREATE INDEX event_by_time ON event (time_ms);

CREATE TABLE delivery (
	adapter TEXT NOT NULL,
	number INTEGER NOT NULL REFERENCES event (number),
	unit TEXT NOT NULL,
	state TEXT NOT NULL CHECK (state = 'waiting' OR state = 'aside'),
	tries INTEGER NOT NULL,
	due_ms INTEGER NOT NULL, queued_ms INTEGER NOT NULL,
	code TEXT NOT NULL, what TEXT NOT NULL,
	PRIMARY KEY (adapter, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_of_unit ON delivery (adapter, unit, number) WHERE state = 'waiting';
