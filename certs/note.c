/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/note.h"
#include "certs/note_text.h"
#include "station/base/text.h"

#include <string.h>

/* Origin, size, root, and extension lines that are not empty and not ours to read. */
static bool text_parse(struct note_piece text, struct checkpoint *ret, struct err *e)
{
	struct note_piece origin, size, root, extension;
	memset(ret, 0, sizeof(*ret));
	if (!note_take_line(&text, &origin) || !origin.len || origin.len >= sizeof(ret->origin))
		return err_set(e, E_AUDIT, "the checkpoint has no origin");
	if (!note_take_line(&text, &size) || !note_number(size, &ret->size))
		return err_set(e, E_AUDIT, "the checkpoint's size is no number");
	if (!note_take_line(&text, &root) || !note_hash(root, &ret->root))
		return err_set(e, E_AUDIT, "the checkpoint's root is no hash");
	while (text.len)
		if (!note_take_line(&text, &extension) || !extension.len)
			return err_set(e, E_AUDIT, "an empty line inside the checkpoint");
	memcpy(ret->origin, origin.at, origin.len);
	return true;
}

bool note_read_checkpoint(const char *note, size_t len, struct checkpoint *ret, struct err *e)
{
	struct note_piece text, signatures;
	return note_split(note, len, &text, &signatures, e) && text_parse(text, ret, e);
}

bool note_open_checkpoint(const char *note, size_t len, const char *vkey, struct checkpoint *ret, struct err *e)
{
	struct note_piece text, signatures;
	struct checkpoint claimed;
	struct note_vkey key;
	if (!note_vkey_parse(vkey, NOTE_ED25519, &key, e) || !note_split(note, len, &text, &signatures, e) ||
	    !note_is_signed(text, signatures, &key, NULL, e) || !text_parse(text, &claimed, e))
		return false;
	if (strcmp(claimed.origin, key.name) != 0)
		return err_set(e, E_AUDIT, "a checkpoint of another log: %s", claimed.origin);
	*ret = claimed;
	return true;
}

bool note_vkey_name(const char *vkey, char *ret, size_t room, struct err *e)
{
	struct note_vkey key;
	return note_vkey_parse(vkey, NOTE_ED25519, &key, e) && text_copy(ret, room, key.name, e);
}
