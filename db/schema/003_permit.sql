-- SPDX-License-Identifier: Apache-2.0
-- A unit that registers by its endorsement key gets no certificate: that the signer has counted it is kept here.

ALTER TABLE job ADD COLUMN permitted INTEGER NOT NULL DEFAULT 0;
