/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/term.h"
#include "ui/glyph.h"
#include "ui/screen.h"
#include "ui/theme.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

#define ESCAPE_WAIT_MS 25	/* how long the rest of a key's sequence may take */

struct term {
	SCREEN *screen;
	int signals;
	sigset_t before;	/* signal mask to go back to */
	bool ascii;
	enum theme theme;
	struct canvas shown;	/* what the terminal shows; no cells: unknown */
};

static bool take_signals(struct term *t, struct err *e)
{
	sigset_t mine;
	sigemptyset(&mine);
	static const int all[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGWINCH};
	for (size_t i = 0; i < COUNT_OF(all); i++)
		sigaddset(&mine, all[i]);
	if (sigprocmask(SIG_BLOCK, &mine, &t->before) < 0)
		return err_errno(e, E_FILE, "signal mask");
	t->signals = signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK);
	return t->signals >= 0 || err_errno(e, E_FILE, "signalfd");
}

static void start_colours(struct term *t, bool mono)
{
	const char *no_color = getenv("NO_COLOR");
	t->theme = THEME_MONO;
	/* start_color() itself paints white on black, so it is not called where colours are not wanted.
	 * COLORS is known behind it. */
	if (theme_choose(no_color, mono, 256) == THEME_MONO || !has_colors())
		return;
	start_color();
	use_default_colors();
	t->theme = theme_choose(no_color, mono, COLORS);
	for (int s = 0; s < STYLE_COUNT; s++) {
		const struct look *look = theme_look(t->theme, (enum style)s);
		init_pair((short)(s + 1), look->fg, look->bg);
	}
}

bool term_open(bool mono, bool ascii, struct term **ret, struct err *e)
{
	*ret = NULL;
	struct term *t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(e, E_NOMEM, "terminal");
	t->signals = -1;
	setlocale(LC_CTYPE, "");
	t->ascii = ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	bool ok = take_signals(t, e);
	if (ok) {
		t->screen = newterm(NULL, stdout, stdin);
		ok = t->screen || err_set(e, E_USAGE, "this terminal cannot show a screen (TERM); use --plain");
	}
	if (!ok) {
		term_close(t);
		return false;
	}
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_WAIT_MS);
	curs_set(0);
	start_colours(t, mono);
	*ret = t;
	return true;
}

void term_close(struct term *t)
{
	if (!t)
		return;
	if (t->screen) {
		endwin();
		delscreen(t->screen);
	}
	if (t->signals >= 0) {
		close(t->signals);
		sigprocmask(SIG_SETMASK, &t->before, NULL);
	}
	canvas_fini(&t->shown);
	free(t);
}

void term_size(const struct term *t, int *ret_rows, int *ret_cols)
{
	getmaxyx(stdscr, *ret_rows, *ret_cols);
}

bool term_is_ascii(const struct term *t)
{
	return t->ascii;
}

int term_input_fd(const struct term *t)
{
	return STDIN_FILENO;
}

int term_signal_fd(const struct term *t)
{
	return t->signals;
}

static int special_key(wint_t code)
{
	static const struct { int theirs, ours; } rows[] = {
		{KEY_UP, KEYS_UP}, {KEY_DOWN, KEYS_DOWN}, {KEY_LEFT, KEYS_LEFT}, {KEY_RIGHT, KEYS_RIGHT}, {KEY_HOME, KEYS_HOME},
		{KEY_END, KEYS_END}, {KEY_ENTER, KEYS_ENTER}, {KEY_BACKSPACE, 0x7f},
	};
	if (code >= KEY_F(1) && code <= KEY_F(10))
		return KEYS_F1 + (int)(code - KEY_F(1));
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].theirs == (int)code)
			return rows[i].ours;
	return KEYS_NOTHING;
}

int term_key(struct term *t)
{
	for (;;) {
		wint_t code;
		int kind = get_wch(&code);
		if (kind == ERR)
			return KEYS_NOTHING;
		int key = kind == KEY_CODE_YES ? special_key(code) : code == '\n' ? KEYS_ENTER : (int)code;
		if (key != KEYS_NOTHING)
			return key;
	}
}

bool term_is_gone(const struct term *t)
{
	int waiting = 0;
	return ioctl(STDIN_FILENO, FIONREAD, &waiting) < 0 || waiting == 0;
}

enum term_event term_event(struct term *t)
{
	struct signalfd_siginfo info;
	struct winsize size;
	if (read(t->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return TERM_NOTHING;
	if (info.ssi_signo != SIGWINCH)
		return TERM_END;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
		resizeterm(size.ws_row, size.ws_col);
	canvas_fini(&t->shown);
	return TERM_RESIZED;
}

void term_ring(struct term *t)
{
	beep();
}

static void paint_cell(const struct term *t, int row, int col, const struct cell *cell)
{
	const struct look *look = theme_look(t->theme, (enum style)cell->style);
	wchar_t text[2] = {(wchar_t)cell->c, 0};
	cchar_t out;
	attr_t attributes = (look->bold ? A_BOLD : 0) | (look->dim ? A_DIM : 0) | (look->reverse ? A_REVERSE : 0) |
			    (look->underline ? A_UNDERLINE : 0);
	short pair = t->theme == THEME_MONO ? 0 : (short)(cell->style + 1);
	if (setcchar(&out, text, attributes, pair, NULL) == OK)
		mvadd_wch(row, col, &out);
}

static bool same(const struct canvas *shown, const struct canvas *c, size_t i)
{
	return shown->cells && shown->cells[i].c == c->cells[i].c && shown->cells[i].style == c->cells[i].style;
}

/* Remembers what is shown; without memory the next painting is a whole one. */
static void remember(struct term *t, const struct canvas *c)
{
	struct err ignored = {0};
	if (!t->shown.cells && !canvas_init(&t->shown, c->rows, c->cols, c->ascii, &ignored))
		return;
	memcpy(t->shown.cells, c->cells, (size_t)c->rows * (size_t)c->cols * sizeof(*c->cells));
}

void term_paint(struct term *t, const struct canvas *c)
{
	if (t->shown.rows != c->rows || t->shown.cols != c->cols)
		canvas_fini(&t->shown);
	if (!t->shown.cells)
		clearok(stdscr, TRUE);
	for (int row = 0; row < c->rows; row++)
		for (int col = 0; col < c->cols; col++) {
			size_t i = (size_t)row * (size_t)c->cols + (size_t)col;
			if (c->cells[i].c && !same(&t->shown, c, i))
				paint_cell(t, row, col, &c->cells[i]);
		}
	refresh();
	remember(t, c);
}
