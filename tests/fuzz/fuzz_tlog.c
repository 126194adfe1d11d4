/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts, proofs of growth and checkpoints, as somebody hands them in, as a fuzz target. What holds under the log's key holds for
 * the entry that was recorded, and for nothing else. */
#include "certs/cosign.h"
#include "certs/tlog_text.h"
#include "scratch.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The keys under which the corpus was signed (their private halves are gone). */
static const char log_vkey[] = "log.test+e9657bce+ASFmXuHI8wxlsVVL4mj5WnNpsmVq17LQTRGJc3qLIVoo";
static const char witness_vkey[] = "witness.test+68395eae+BAwLuEsj1zWk1fBev/4PiNP5VGdX1dFhbYEXTwRajci7";
#define ENTRY_AT 270
#define COSIGNED_AT 1795428168

static void check_receipt(const char *text, size_t len)
{
	struct err why = {0};
	struct checkpoint head;
	AUTO(tlog_receipt) struct tlog_receipt r = {0};
	if (!tlog_receipt_read(text, len, &r, &why)) {
		must(why.code == E_AUDIT && why.what[0]);
		return;
	}
	must(r.path.count <= MERKLE_PROOF_MAX && r.index <= INT64_MAX);
	if (tlog_receipt_check(&r, log_vkey, r.extra.data, r.extra.len, &head, &why))
		must(r.index == ENTRY_AT && !strcmp(head.origin, "log.test") && strstr(bytes_text(&r.extra), "\"id\":\"unit-000270\""));
	else
		must(why.code == E_AUDIT && why.what[0]);
}

static void check_growth(const char *text, size_t len)
{
	struct err why = {0};
	struct checkpoint head;
	AUTO(tlog_growth) struct tlog_growth g = {0};
	if (!tlog_growth_read(text, len, &g, &why)) {
		must(why.code == E_AUDIT && why.what[0]);
		return;
	}
	must(g.path.count <= MERKLE_PROOF_MAX && g.old <= INT64_MAX);
	if (note_open_checkpoint(bytes_text(&g.checkpoint), g.checkpoint.len, log_vkey, &head, &why))
		must(head.size == 300);
}

static void check_note(const char *text, size_t len)
{
	struct err why = {0};
	uint64_t when = 0;
	struct checkpoint head;
	if (note_open_checkpoint(text, len, log_vkey, &head, &why))
		must(head.size == 300);
	if (cosign_is_on(text, len, witness_vkey, &when, &why))
		must(when == COSIGNED_AT && note_read_checkpoint(text, len, &head, &why) && head.size == 300);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	check_receipt((const char *)data, len);
	check_growth((const char *)data, len);
	check_note((const char *)data, len);
	return 0;
}
