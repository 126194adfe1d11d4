/* SPDX-License-Identifier: Apache-2.0 */
/* A PKCS#11 module in front of SoftHSM2 that misbehaves once, where the file SHIM_DIR/fault says so:
 *	FUNCTION SKIP KIND VALUE
 * the call of that function behind SKIP others
 *	rv	is answered VALUE, and not made
 *	after	is made, and answered VALUE
 *	len	says that its answer is VALUE long (-1: CK_UNAVAILABLE_INFORMATION)
 *	flip	has a bit of its answer changed
 *	nothing	is not made, and answered CKR_OK
 *	drop	finds that all sessions are closed
 *	die	ends the server's process; VALUE 1: behind the call
 * Where SHIM_DIR/keep is, nothing is destroyed; where SHIM_DIR/noflags is, the token does not say that few tries are left.
 * Logins that reached the token are counted in SHIM_DIR/logins. */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static CK_FUNCTION_LIST mine, *real;

struct fault {
	char function[40], kind[16];
	int skip;
	long value;
};

static const char *path_of(const char *name)
{
	static char path[256];
	snprintf(path, sizeof(path), "%s/%s", getenv("SHIM_DIR"), name);
	return path;
}

/* True if this call is the one; then the file is gone. */
static int is_due(const char *function, struct fault *f)
{
	FILE *in = fopen(path_of("fault"), "r");
	int n = in ? fscanf(in, "%39s %d %15s %ld", f->function, &f->skip, f->kind, &f->value) : 0;
	if (in)
		fclose(in);
	if (n != 4 || strcmp(f->function, function) != 0)
		return 0;
	if (f->skip == 0) {
		unlink(path_of("fault"));
		return 1;
	}
	FILE *out = fopen(path_of("fault"), "w");
	fprintf(out, "%s %d %s %ld\n", f->function, f->skip - 1, f->kind, f->value);
	fclose(out);
	return 0;
}

static int is(const struct fault *f, const char *kind)
{
	return strcmp(f->kind, kind) == 0;
}

static void drop_sessions(void)
{
	CK_SLOT_ID slots[16];
	CK_ULONG n = 16;
	real->C_GetSlotList(CK_TRUE, slots, &n);
	for (CK_ULONG i = 0; i < n; i++)
		real->C_CloseAllSessions(slots[i]);
}

/* What every function does alike; `len` and `out` of its answer, where it has one. */
#define MISBEHAVE(name, call, out, len)                                                 \
	do {                                                                            \
		struct fault f = {0};                                                   \
		if (!is_due(name, &f))                                                  \
			return call;                                                    \
		if (is(&f, "rv"))                                                       \
			return (CK_RV)f.value;                                          \
		if (is(&f, "nothing"))                                                  \
			return CKR_OK;                                                  \
		if (is(&f, "drop"))                                                     \
			drop_sessions();                                                \
		if (is(&f, "die") && !f.value)                                          \
			_exit(1);                                                       \
		CK_RV rv = call;                                                        \
		if (is(&f, "die"))                                                      \
			_exit(1);                                                       \
		if (is(&f, "len") && (len))                                             \
			*(CK_ULONG *)(len) = (CK_ULONG)f.value;                         \
		if (is(&f, "flip") && (out))                                            \
			((unsigned char *)(out))[5] ^= 1;                               \
		return is(&f, "after") ? (CK_RV)f.value : rv;                           \
	} while (0)

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	CK_RV said = real->C_GetTokenInfo(slot, info);
	if (said == CKR_OK && access(path_of("noflags"), F_OK) == 0)
		info->flags &= ~(CK_FLAGS)(CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED);
	MISBEHAVE("C_GetTokenInfo", said, NULL, NULL);
}

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *app, CK_NOTIFY notify, CK_SESSION_HANDLE *ret)
{
	MISBEHAVE("C_OpenSession", real->C_OpenSession(slot, flags, app, notify, ret), NULL, NULL);
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char *pin, unsigned long len)
{
	FILE *out = fopen(path_of("logins"), "a");
	fputs("x", out);
	fclose(out);
	MISBEHAVE("C_Login", real->C_Login(session, user, pin, len), NULL, NULL);
}

static CK_RV find_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, unsigned long count)
{
	MISBEHAVE("C_FindObjectsInit", real->C_FindObjectsInit(session, template, count), NULL, NULL);
}

static CK_RV find(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *ret, unsigned long room, unsigned long *count)
{
	MISBEHAVE("C_FindObjects", real->C_FindObjects(session, ret, room, count), NULL, count);
}

static CK_RV get_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *a, unsigned long count)
{
	MISBEHAVE("C_GetAttributeValue", real->C_GetAttributeValue(session, object, a, count), NULL, &a->ulValueLen);
}

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	MISBEHAVE("C_SignInit", real->C_SignInit(session, mechanism, key), NULL, NULL);
}

static CK_RV sign(CK_SESSION_HANDLE session, unsigned char *data, unsigned long len, unsigned char *out, unsigned long *out_len)
{
	MISBEHAVE("C_Sign", real->C_Sign(session, data, len, out, out_len), out, out_len);
}

static CK_RV create(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, unsigned long count, CK_OBJECT_HANDLE *ret)
{
	MISBEHAVE("C_CreateObject", real->C_CreateObject(session, template, count, ret), NULL, NULL);
}

static CK_RV destroy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	if (access(path_of("keep"), F_OK) == 0)
		return CKR_FUNCTION_FAILED;
	MISBEHAVE("C_DestroyObject", real->C_DestroyObject(session, object), NULL, NULL);
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST **ret)
{
	void *module = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
	CK_C_GetFunctionList get = module ? (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList") : NULL;
	if (!get || get(&real) != CKR_OK)
		return CKR_GENERAL_ERROR;
	mine = *real;
	mine.C_GetFunctionList = C_GetFunctionList;
	mine.C_GetTokenInfo = get_token_info;
	mine.C_OpenSession = open_session;
	mine.C_Login = login;
	mine.C_FindObjectsInit = find_init;
	mine.C_FindObjects = find;
	mine.C_GetAttributeValue = get_value;
	mine.C_SignInit = sign_init;
	mine.C_Sign = sign;
	mine.C_CreateObject = create;
	mine.C_DestroyObject = destroy;
	*ret = &mine;
	return CKR_OK;
}
