-- SPDX-License-Identifier: Apache-2.0
-- What a signed order allows beyond its count, for units that fail after they got their identity.

ALTER TABLE lot ADD COLUMN scrap INTEGER NOT NULL DEFAULT 0 CHECK (scrap >= 0);
