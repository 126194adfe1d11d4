# SPDX-License-Identifier: Apache-2.0
"""embed.py OUT SQL...: writes the schema files, one per version from 1 on, as the C table of db/schema.h."""
import pathlib
import sys


def literal(text):
    return "\n".join('\t\t"%s\\n"' % line.replace("\\", "\\\\").replace('"', '\\"') for line in text.splitlines())


def main(out, paths):
    rows = []
    for version, path in enumerate(sorted(map(pathlib.Path, paths)), start=1):
        if int(path.name.split("_")[0]) != version:
            sys.exit(f"{path.name}: version {version} was expected here")
        rows.append('\t{%d, "%s",\n%s},' % (version, path.name, literal(path.read_text(encoding="utf-8"))))
    pathlib.Path(out).write_text(
        '#include "db/schema.h"\n\nconst struct migration schema[] = {\n%s\n};\nconst int schema_version = %d;\n'
        % ("\n".join(rows), len(rows)), encoding="utf-8")


main(sys.argv[1], sys.argv[2:])
