#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QMP peer that misbehaves in one chosen way.

    fake-qmp.py --listen PATH MODE [--real PATH [--while FILE]]

By itself:
    silent              takes connections, never says a word (QEMU's QMP socket
                        while another client holds it)
    garbage             greets like an SSH server
    huge                greets with a JSON string that never ends
    deep                greets with JSON that only ever nests deeper
    no-greeting-key     greets with JSON that is not QMP's
    hang-up             takes connections and closes them

In front of a real QMP socket (--real), passing everything on but:
    pass                nothing
    no-command=NAME     query-qmp-schema does not list NAME, and it is refused
    no-member=CMD,NAME  query-qmp-schema does not list argument NAME of CMD
    hang-after=NAME     no reply to NAME (which QEMU does run) nor anything later
    hang-at-none=NAME   nothing after a reply to NAME that is an empty list
    cut-after=NAME      half of NAME's reply, then the connection is closed
    refuse=NAME         NAME is refused with "refused by fake-qmp", not run
    delay=NAME,SECONDS  NAME's reply comes that much later
    late=NAME           NAME's reply comes when something else is said to QEMU
    no-event=NAME       the event NAME does not come
    mute                everything from QEMU comes when FILE is gone
    hold                the command that FILE names, "NAME N", the N-th of that
                        name since FILE is there, is passed on when FILE is gone;
                        FILE.held is there meanwhile
With --while only as long as FILE exists.

It prints "ready" when it listens, serves one connection at a time, and ends at
SIGTERM or SIGINT, removing PATH."""

import argparse
import json
import os
import select
import signal
import socket
import sys
import time

ALONE = ("silent", "garbage", "huge", "deep", "no-greeting-key", "hang-up")
PROXY = ("pass", "no-command", "no-member", "hang-after", "hang-at-none",
         "cut-after", "refuse", "delay", "late", "no-event", "mute", "hold")
BARE = ("pass", "mute", "hold")     # take no argument
FILED = ("mute", "hold")            # need a FILE
LOOK = 0.005                        # seconds, while a command is held


class HangUp(Exception):
    """The connection is over, on purpose or not."""


def wait_for_end(client):
    while client.recv(65536):
        pass


def send_forever(client, first, more):
    client.sendall(first)
    while True:
        client.sendall(more)


def play_alone(mode, client):
    if mode == "silent":
        wait_for_end(client)
    elif mode == "garbage":
        client.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
        wait_for_end(client)
    elif mode == "huge":
        send_forever(client, b'{"QMP": {"version": "', b"x" * 65536)
    elif mode == "deep":
        send_forever(client, b'{"QMP": ', b"[" * 1024)
    elif mode == "no-greeting-key":
        client.sendall(b'{"hello": "world"}\r\n')
        wait_for_end(client)


class Lines:
    """Whole lines from a socket that select () says is readable."""

    def __init__(self, sock):
        self.sock = sock
        self.rest = b""

    def read(self):
        data = self.sock.recv(65536)
        if not data:
            raise HangUp
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [json.loads(line) for line in lines if line.strip()]


class Proxy:
    def __init__(self, options, client, real):
        self.mode_given, self.argument = options.mode, options.argument
        self.file = options.file
        self.client, self.real = client, real
        self.commands = {}              # id, as text, to command
        self.hanging = False
        self.counts = {}                # of commands, while one is to be held

    @property
    def mode(self):
        """What is to be done just now."""
        if self.file and not os.path.exists(self.file):
            return "pass"
        return self.mode_given

    def send(self, sock, message):
        sock.sendall(json.dumps(message).encode() + b"\r\n")

    def hold(self, name):
        """Until FILE is gone, if NAME is what it names."""
        if self.mode != "hold":
            self.counts = {}
            return
        with open(self.file) as stream:
            wanted, number = stream.read().split()
        self.counts[name] = self.counts.get(name, 0) + 1
        if name != wanted or self.counts[name] != int(number):
            return
        with open(self.file + ".held", "w"):
            pass
        while os.path.exists(self.file):
            time.sleep(LOOK)
        os.unlink(self.file + ".held")

    def refuse(self, request, error_class, text):
        reply = {"error": {"class": error_class, "desc": text}}
        if "id" in request:
            reply["id"] = request["id"]
        self.send(self.client, reply)

    def on_request(self, request):
        name = request.get("execute")
        self.hold(name)
        if name == self.argument and self.mode == "refuse":
            return self.refuse(request, "GenericError", "refused by fake-qmp")
        if name == self.argument and self.mode == "no-command":
            return self.refuse(request, "CommandNotFound",
                               f"The command {name} has not been found")
        self.commands[json.dumps(request.get("id"))] = name
        return self.send(self.real, request)

    def edit_schema(self, types):
        if self.mode == "no-command":
            return [t for t in types if not (t["meta-type"] == "command"
                                             and t["name"] == self.argument)]
        command, member = self.argument.split(",")
        by_name = {t["name"]: t for t in types}
        wanted = {by_name[command]["arg-type"]}
        case, _, option = member.rpartition(".")
        for variant in by_name[by_name[command]["arg-type"]].get("variants", []):
            if variant["case"] == case:
                wanted = {variant["type"]}
        for t in types:
            if t["name"] in wanted and "members" in t:
                t["members"] = [m for m in t["members"] if m["name"] != option]
        return types

    def on_reply(self, reply):
        name = None
        if reply.get("event") == self.argument and self.mode == "no-event":
            return
        if "event" not in reply:
            name = self.commands.pop(json.dumps(reply.get("id")), None)
        if name == "query-qmp-schema" and "return" in reply \
                and self.mode in ("no-command", "no-member"):
            reply["return"] = self.edit_schema(reply["return"])
        if name is not None and name == self.argument.split(",")[0]:
            if self.mode == "hang-after":
                self.hanging = True
            elif self.mode == "cut-after":
                text = json.dumps(reply).encode()
                self.client.sendall(text[:len(text) // 2])
                raise HangUp
            elif self.mode == "delay":
                time.sleep(float(self.argument.split(",")[1]))
            elif self.mode == "late":
                select.select([self.client], [], [])
        if not self.hanging or self.mode == "pass":
            self.send(self.client, reply)
        if name is not None and name == self.argument and \
                self.mode == "hang-at-none" and reply.get("return") == []:
            self.hanging = True

    def run(self):
        client, real = Lines(self.client), Lines(self.real)
        while True:
            mute = self.mode == "mute"
            watched = [self.client] if mute else [self.client, self.real]
            readable = select.select(watched, [], [],
                                     0.05 if self.file else None)[0]
            if self.real in readable:
                for reply in real.read():
                    self.on_reply(reply)
            if self.client in readable:
                for request in client.read():
                    self.on_request(request)


def serve(options, client):
    if options.mode in ALONE:
        play_alone(options.mode, client)
        return
    with socket.socket(socket.AF_UNIX) as real:
        real.connect(options.real)
        Proxy(options, client, real).run()


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", required=True, metavar="PATH")
    parser.add_argument("--real", metavar="PATH")
    parser.add_argument("--while", dest="file", metavar="FILE")
    parser.add_argument("mode", metavar="MODE")
    options = parser.parse_args()
    options.mode, _, options.argument = options.mode.partition("=")
    if options.mode not in ALONE + PROXY:
        parser.error(f"there is no mode {options.mode}")
    if options.mode in PROXY and not options.real:
        parser.error(f"{options.mode} needs --real PATH")
    if options.mode in PROXY and options.mode not in BARE and not options.argument:
        parser.error(f"{options.mode} needs an argument, {options.mode}=NAME")
    if options.mode in FILED and not options.file:
        parser.error(f"{options.mode} needs --while FILE")
    return options


def main():
    options = parse()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(options.listen)
    try:
        listener.listen(1)
        print("ready", flush=True)
        while True:
            with listener.accept()[0] as client:
                try:
                    serve(options, client)
                except (HangUp, OSError):
                    pass        # this connection only
    finally:
        os.unlink(options.listen)


if __name__ == "__main__":
    main()
