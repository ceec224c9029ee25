#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bad options and routes: one sentence that names the thing, status 1."""

import json
import os

from pullbacktest import main
from pullbacktest.gateway import Stage, gateway_refuses

def check_options(stage):
    def check(sentence, *words):
        gateway_refuses(stage.t, *words, saying=[sentence])

    routes = ("--routes", stage.routes)
    check("--routes FILE is missing")
    check("unknown option --frobnicate", *routes, "--frobnicate")
    check("needs a value", *routes, "--unix")
    check("unexpected argument more", *routes, "--unix", stage.socket, "more")
    check("nothing to listen on", *routes)
    check("1 to 107 bytes", *routes, "--unix", "/tmp/" + "x" * 200)
    for option in "--unix", "--tcp":
        check(f"{option} needs a value", *routes, option, "")
    check("No such file", *routes, "--unix", stage.path("none/sock"))
    for port in "x", "65536", "-1", "1 ", "123456":
        check("--tcp needs", *routes, "--tcp", port)
    check("brackets", *routes, "--tcp", "::1:10809")
    check("empty or overlong address", *routes, "--tcp", ":10809")
    check("cannot find the address", *routes, "--tcp", "256.0.0.1:10809")
    check("cannot open the routes file", "--routes", stage.path("none"),
          "--unix", stage.socket)
    check("must be a regular file", "--routes", stage.folder, "--unix",
          stage.socket)


def check_routes(stage):
    context = {"name": "qemu:dirty-bitmap:x", "upstream": "x"}
    export = {"name": "vda", "upstream": "vda", "description": "",
              "contexts": [context]}

    def attempt(sentence, content):
        if not isinstance(content, (str, bytes)):
            content = json.dumps(content)
        if isinstance(content, str):
            content = content.encode()
        with open(stage.routes, "wb") as f:
            f.write(content)
        gateway_refuses(stage.t, "--routes", stage.routes, "--unix",
                        stage.socket, saying=[sentence])

    def with_export(**changes):
        return {"upstream": "/s", "exports": [{**export, **changes}]}

    attempt("is not JSON", "")
    attempt("is not JSON", "{")
    attempt("is not JSON", '{"upstream": 1} more')
    attempt("is not JSON", "[" * 100000)
    attempt("is not JSON", b"\x00\xff\xfe")
    attempt("must be an object", "[]")
    attempt("must be an object", "null")
    attempt('lacks the key "exports"', {"upstream": "/s"})
    attempt('unknown key "colour"', {"upstream": "/s", "colour": 1})
    attempt('"upstream" of the file must be of type string',
            {"upstream": 5, "exports": [export]})
    attempt("1 to 107 bytes", {"upstream": "s" * 108, "exports": [export]})
    attempt("at least one", {"upstream": "/s", "exports": []})
    attempt("must be an object", {"upstream": "/s", "exports": [1]})
    attempt("1 to 4096 bytes", with_export(name=""))
    attempt("1 to 4096 bytes", with_export(name="n" * 5000))
    attempt("1 to 4096 bytes", with_export(name="a\0b"))
    attempt("needs a namespace", with_export(
        contexts=[{**context, "name": "backup-vda"}]))
    attempt("needs a namespace", with_export(
        contexts=[{**context, "name": "base:other"}]))
    attempt("twice", with_export(contexts=[context, context]))
    attempt("more than 255 contexts", with_export(contexts=[context] * 256))
    attempt("is there twice", {"upstream": "/s", "exports": [export, export]})


def test(t):
    stage = Stage(t)
    stage.write_routes()
    check_options(stage)
    check_routes(stage)
    assert not os.path.exists(stage.socket)


main(test)
