-- SPDX-License-Identifier: Apache-2.0
-- Identities that hold no more, and how far the services were told. What was taken back by an earlier version stands in the audit
-- log only.

CREATE TABLE revoked (
	number INTEGER PRIMARY KEY,
	job TEXT NOT NULL REFERENCES job (id),
	kind TEXT NOT NULL CHECK (kind = 'revoked' OR kind = 'replaced' OR kind = 'reverted'),
	reason INTEGER NOT NULL CHECK (reason >= 0 AND reason <= 10 AND reason <> 7),
	"order" TEXT NOT NULL, registration_id TEXT NOT NULL,
	cert_serial BLOB NOT NULL UNIQUE CHECK (length(cert_serial) = 16),
	leaf BLOB NOT NULL,
	entry BLOB NOT NULL,
	first TEXT NOT NULL, second TEXT NOT NULL,
	time_ms INTEGER NOT NULL,
	-- How far it is.
	hub TEXT NOT NULL, device_id TEXT NOT NULL,
	entry_ms INTEGER NOT NULL, service_ms INTEGER NOT NULL, hub_ms INTEGER NOT NULL,
	aside INTEGER NOT NULL CHECK (aside = 0 OR aside = 1),
	error TEXT NOT NULL, error_what TEXT NOT NULL,
	-- The identity that came after it.
	next_order TEXT NOT NULL, next_intent INTEGER NOT NULL
) STRICT;
CREATE INDEX revoked_of_job ON revoked (job, number);
CREATE INDEX revoked_open ON revoked (number) WHERE service_ms = 0 OR hub_ms = 0;
CREATE INDEX revoked_next ON revoked (next_order) WHERE next_intent >= 0;
CREATE TRIGGER revoked_stays_what_it_is BEFORE UPDATE ON revoked
WHEN new.number <> old.number OR new.job <> old.job OR new.reason <> old.reason OR new.registration_id <> old.registration_id
	OR new.kind <> old.kind OR new.cert_serial <> old.cert_serial OR new.leaf <> old.leaf OR new.time_ms <> old.time_ms
	OR new.entry_ms < old.entry_ms OR new.service_ms < old.service_ms OR new.hub_ms < old.hub_ms
BEGIN SELECT RAISE(ABORT, 'a revocation is not taken back'); END;
CREATE TRIGGER revoked_is_never_removed BEFORE DELETE ON revoked
BEGIN SELECT RAISE(ABORT, 'a revocation is never forgotten'); END;
