#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Manual pages out of what is written already: station(1) from `station help`, station.conf(5) from docs/configuration.md.

    manpage.py verbs STATION          > station.1
    manpage.py page FILE.md NAME SECTION TITLE  > NAME.SECTION

Of Markdown it knows what the pages use: headings, paragraphs, lists, tables, fenced text, `code`, **bold** and links.
"""
import re
import subprocess
import sys

HEAD = '.\\" Made by station/package/manpage.py\n.TH %s %s "" "station %s" "%s"\n'


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text)


def inline(text):
    """One paragraph or cell: code and bold in bold, links as their text."""
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"(?<!\*)\*([^*]+)\*(?!\*)", r"\1", text)
    parts = re.split(r"`([^`]+)`|\*\*([^*]+)\*\*", text)
    out = ""
    for n in range(0, len(parts), 3):
        out += escape(parts[n]) if n == 0 else escape(parts[n]).replace("\\&", "")
        strong = (parts[n + 1] or parts[n + 2]) if n + 2 < len(parts) else None
        if strong:
            out += "\\fB%s\\fR" % escape(strong).replace("\\&", "")
    return out


def table(rows):
    """A row per name: the first cell as the tag, the second in parentheses, the last as the text."""
    out = ""
    for row in rows[2:]:
        cells = [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", row.strip().strip("|"))]
        between = " (%s)" % ", ".join(inline(c) for c in cells[1:-1]) if len(cells) > 2 else ""
        out += ".TP\n%s%s\n%s\n" % (inline(cells[0]), between, inline(cells[-1]))
    return out


def blocks(text):
    """(kind, lines) of a page: heading, table, list, code, text."""
    lines = iter(text.splitlines() + [""])
    kind, kept = None, []
    for line in lines:
        if line.startswith("```"):
            if kept:
                yield kind, kept
            kept = []
            for code in lines:
                if code.startswith("```"):
                    break
                kept.append(code)
            yield "code", kept
            kind, kept = None, []
            continue
        now = ("heading" if line.startswith("#") else "table" if line.startswith("|") else "list" if re.match(r"- |\d+\. ", line)
               else None if not line.strip() else "list" if kind == "list" and line.startswith("  ") else "text")
        if line.startswith("<!--"):
            now = None
        if now != kind or now == "heading":
            if kept:
                yield kind, kept
            kept = []
        kind = now
        if now:
            kept.append(line)


def roff(text):
    out = ""
    for kind, lines in blocks(text):
        if kind == "heading":
            level, title = re.match(r"(#+) (.*)", lines[0]).groups()
            if level != "#":
                out += "%s %s\n" % (".SH" if level == "##" else ".SS", inline(title.upper() if level == "##" and title[0] != "[" else title))
        elif kind == "table":
            out += table(lines)
        elif kind == "list":
            for item in re.split(r"\n(?=- |\d+\. )", "\n".join(lines)):
                mark, body = re.match(r"(-|\d+\.) (.*)", item, re.S).groups()
                out += ".IP %s 3\n%s\n" % ("\\(bu" if mark == "-" else mark, inline(" ".join(body.split())))
        elif kind == "code":
            out += ".PP\n.nf\n.RS 2\n%s\n.RE\n.fi\n" % "\n".join(escape(line) for line in lines)
        else:
            out += ".PP\n%s\n" % "\n".join(inline(line.strip()) for line in lines)
    return out


def page(path, name, section, title, version=""):
    text = open(path, encoding="utf-8").read()
    body = roff(text)
    return (HEAD % (name.upper(), section, version, title) +
            ".SH NAME\n%s \\- %s\n.SH DESCRIPTION\n" % (escape(name), escape(title)) + body +
            ".SH SEE ALSO\n.BR station (1)\n")




def verbs(help_text):
    """[(verb, options, summary)] of the table that `station help --table` prints: tabs between."""
    return [tuple(line.split("\t")) for line in help_text.splitlines() if line]


def station_page(station):
    said = subprocess.run([station, "help", "--table"], capture_output=True, text=True, check=True).stdout
    version = subprocess.run([station, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    out = HEAD % ("STATION", 1, version, "Enrollment station")
    out += ".SH NAME\nstation \\- enroll devices into Azure IoT Hub Device Provisioning Service\n"
    out += ".SH SYNOPSIS\n.B station\n.I VERB\n[options]\n.SH VERBS\n"
    for name, usage, summary in verbs(said):
        out += ".TP\n\\fB%s\\fR %s\n%s\n" % (escape(name), escape(usage), escape(summary))
    out += (".SH EXIT STATUS\n.IP 0 3\nDone.\n.IP 1 3\nFailed; standard error says what happened, what to do and whom to call.\n"
            ".IP 2 3\nNot understood.\n.IP 3 3\nThe line is not fit to start or go on.\n.IP 4 3\nThe line could not go on by itself,"
            " and is to be started again.\n")
    out += (".SH ENVIRONMENT\n.TP\n\\fBNO_COLOR\\fR\nThe console uses no colours.\n"
            ".TP\n\\fBCREDENTIALS_DIRECTORY\\fR\nWhere secrets of the form credential:NAME lie, as systemd sets it.\n"
            ".TP\n\\fBNOTIFY_SOCKET\\fR, \\fBWATCHDOG_USEC\\fR\nThe line tells a service manager when it is ready, and that it still"
            " moves; see sd_notify(3).\n.TP\n\\fBSTATION_DEBUG\\fR\nLogs more.\n")
    out += (".SH FILES\n.TP\n/etc/station/station.conf\nThe line's configuration.\n"
            ".TP\n/etc/station/credentials\nSecrets of the service.\n.TP\n/var/lib/station\nThe ledger, the signer's memory, results, and"
            " the control socket.\n.TP\n/usr/share/doc/station\nHow to install it, what each error means, and an example.\n")
    return out + ".SH SEE ALSO\n.BR station.conf (5)\n"


COMPLETION = """# SPDX-License-Identifier: Apache-2.0
# Made by station/package/manpage.py from `station help`: verbs, their options, and files behind those.
_station()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} verb options
	case "${COMP_WORDS[1]} ${COMP_WORDS[2]}" in
%s	esac
	if [[ $COMP_CWORD -eq 1 ]]; then
		COMPREPLY=($(compgen -W "%s" -- "$current"))
	elif [[ $current == -* ]]; then
		COMPREPLY=($(compgen -W "$options" -- "$current"))
	elif [[ $COMP_CWORD -eq 2 && -n $verb ]]; then
		COMPREPLY=($(compgen -W "$verb" -- "$current"))
	else
		COMPREPLY=($(compgen -f -- "$current"))
	fi
}
complete -o filenames -F _station station
"""


def completion(station):
    said = subprocess.run([station, "help", "--table"], capture_output=True, text=True, check=True).stdout
    rows = verbs(said)
    cases, seconds = "", {}
    for name, usage, _ in rows:
        words = name.split()
        if len(words) == 2:
            seconds.setdefault(words[0], []).append(words[1])
        options = " ".join(dict.fromkeys(re.findall(r"--[a-z-]+", usage)))
        cases += "\t\"%s %s) options=\"%s\" ;;\n" % (words[0], words[1] + "\"" if len(words) == 2 else "\"*", options)
    for first, words in seconds.items():
        cases += "\t\"%s \"*) verb=\"%s\" ;;\n" % (first, " ".join(words))
    firsts = list(dict.fromkeys(name.split()[0] for name, _, _ in rows)) + ["help"]
    return COMPLETION % (cases, " ".join(firsts))


if __name__ == "__main__":
    made = {"verbs": station_page, "page": page, "completion": completion}[sys.argv[1]](*sys.argv[2:])
    sys.stdout.buffer.write(made.encode())
