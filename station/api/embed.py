# SPDX-License-Identifier: Apache-2.0
"""embed.py OUT PAGE OPENAPI: writes both files as the constants of station/api/page.h. The page may run its own script and style
and nothing else: their hashes go into its policy."""
import base64
import hashlib
import json
import pathlib
import re
import sys


def constant(name, kind, data, policy):
    rows = ["\t" + " ".join("0x%02x," % b for b in data[i:i + 16]) for i in range(0, len(data), 16)]
    tag = hashlib.sha256(data).hexdigest()[:32]
    return ('static const uint8_t %s_data[] = {\n%s\n};\nconst struct page page_%s = {\n\t.type = "%s",\n\t.etag = "\\"%s\\"",\n'
            '\t.policy = %s,\n\t.data = %s_data,\n\t.len = sizeof(%s_data),\n};\n'
            % (name, "\n".join(rows), name, kind, tag, '"%s"' % policy if policy else "0", name, name))


def hashes(text, element):
    found = re.findall("<%s>(.*?)</%s>" % (element, element), text, re.S)
    if len(found) != 1:
        sys.exit("the page has %d times <%s>" % (len(found), element))
    return "'sha256-%s'" % base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()


def main(out, page, openapi):
    lead = pathlib.Path(page).read_bytes()
    text = lead.decode()
    policy = ("default-src 'none'; script-src %s; style-src %s; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
              "frame-ancestors 'none'" % (hashes(text, "script"), hashes(text, "style")))
    described = json.dumps(json.loads(pathlib.Path(openapi).read_text()), separators=(",", ":")).encode()
    pathlib.Path(out).write_text('#include "station/api/page.h"\n\n'
                                 + constant("lead", "text/html; charset=utf-8", lead, policy)
                                 + constant("openapi", "application/json", described, ""))


main(*sys.argv[1:])
