# SPDX-License-Identifier: LGPL-2.1-or-later
"""What libvirt itself says of its documents: the schemas of package libvirt0,
the manual of package libvirt-doc."""

import html
import os
import re
import xml.etree.ElementTree as ElementTree

from .clients import run
from .outcome import Failed, Skip

SCHEMAS = "/usr/share/libvirt/schemas"
MANUAL = "/usr/share/doc/libvirt-doc/html"
OURS = os.path.join(os.environ["PULLBACK_SRCDIR"], "backupd/xml/schemas")


def valid(t, text):
    """The document's root; it must be valid for libvirt's schema and ours."""
    root = ElementTree.fromstring(text)
    path = t.path("document.xml")
    with open(path, "w") as stream:
        stream.write(text)
    for folder in (SCHEMAS, OURS):
        schema = f"{folder}/{root.tag}.rng"
        done = run("xmllint", "--nonet", "--noout", "--relaxng", schema, path,
                   check=False)
        if done.returncode != 0:
            raise Failed(f"not valid for {schema}:\n{text}\n"
                         f"{done.stderr[:2000]}")
    return root


def examples(page):
    """The documents that a page of libvirt's manual shows."""
    path = f"{MANUAL}/{page}.html"
    if not os.path.exists(path) and os.path.exists(f"{SCHEMAS}/domain.rng"):
        raise Skip(f"there is no {path}: this machine installs packages "
                   "without their documentation")
    with open(path) as stream:
        blocks = re.findall(r"<pre[^>]*>(.*?)</pre>", stream.read(), re.S)
    texts = [html.unescape(re.sub(r"<[^>]*>", "", b)) for b in blocks]
    return [text.strip() for text in texts if text.lstrip().startswith("<")]
