#!/usr/bin/python3 -B
"""Stands in for QEMU in the lab's own tests: a node that speaks the control protocol.

It takes QEMU's command line, finds its two serial ports in it and answers a few commands.
"""
import json
import re
import select
import socket
import sys
import time


def port(name):
    for argument in sys.argv:
        match = re.fullmatch(rf"socket,id={name},fd=(\d+)", argument)
        if match:
            return socket.socket(fileno=int(match[1]))
    sys.exit(f"fake_node: no chardev {name}")


NAME = sys.argv[sys.argv.index("-name") + 1] if "-name" in sys.argv else "fake"
GUEST = {"log": "GUEST-READY\r\n/ # "}


def guest(line):
    """A Linux guest that knows one command; None when the line is not about it."""
    match = re.fullmatch(r"vm log web from=(\d+)", line)
    if match:
        text = GUEST["log"][int(match[1]):]
        return {"ok": True, "result": {"text": text, "next": len(GUEST["log"]), "lost_bytes": 0}}
    match = re.fullmatch(r'vm type web "(.*)"', line)
    if match:
        said = "Linux fake 6.1.0 #1 SMP x86_64 GNU/Linux\r\n" if "uname -a" in match[1] else ""
        GUEST["log"] += match[1].replace("\\n", "\r\n") + said + "done=0\r\n/ # "
        return {"ok": True, "result": {}}
    if line == "host show":
        return {"ok": True, "result": {
            "name": NAME, "version": "0" if NAME != "c" else "1", "build": "debug", "boot": "pvh", "virt": "svm",
            "cpus": [{"id": 0, "halted_ns": 1}], "uptime_ns": 5, "memory_bytes": 1 << 30,
            "memory_free_bytes": 1 << 29, "handle_count": 3}}
    if line == "tools status":
        verdict = "missing" if NAME == "b" else "current"
        row = {"name": "web", "state": "running", "verdict": verdict, "os": "Linux\x1b[2J",
               "services": [{"service": "kvp", "verdict": verdict}]}
        return {"ok": True, "result": [row], **({"attention": True} if NAME == "b" else {})}
    return None


def answer(line):
    """The answer's fields for a request line without its id; None ends the node."""
    known = guest(line)
    if known:
        return known
    if line == "vm list":
        return {"ok": True, "result": [{"name": "web", "state": "running", "cpus": 2,
                                        "memory_bytes": 268435456, "uptime_ns": 81230000000}]}
    if line == "host shutdown":
        return {"ok": True, "result": {}}
    if line.startswith("echo "):
        return {"ok": True, "result": {"text": line[5:]}}
    if line == "sleep":
        return None
    code = {"vm start nope": "not-found", "vm pause off": "wrong-state", "vm odd": "unsupported",
            "vm slow": "timed-out", "vm full": "no-memory"}.get(line, "usage")
    return {"ok": False, "error": {"code": code, "message": f"cannot: {line}", "hint": "vm list"}}


def main():
    console, control = port("console"), port("control")
    console.sendall(b"Bulkhead (fake)\r\n")
    control.sendall(b"\x1b[2J noise of a firmware\r\n")
    seq = 0

    def event(name, **fields):
        nonlocal seq
        seq += 1
        text = {"event": name, "seq": seq, "t_ns": seq * 1000, "severity": "info", **fields}
        control.sendall(json.dumps(text, separators=(",", ":")).encode() + b"\r\n")

    time.sleep(0.1)
    if "never-ready" in " ".join(sys.argv):
        time.sleep(600)
    event("vm-created", vm="web")
    event("host-ready")
    buffer = b""
    while True:
        ready = select.select([console, control], [], [])[0]
        if console in ready:
            console.sendall(console.recv(4096).upper())
        if control not in ready:
            continue
        buffer += control.recv(4096)
        while b"\n" in buffer:
            line, _, buffer = buffer.partition(b"\n")
            match = re.fullmatch(r"@(\d{1,9}) (.*)", line.decode("utf-8", "replace"))
            if not match:
                fields = {"ok": False, "error": {"code": "usage", "message": "no id"}}
                control.sendall(b'{"id":null,' + json.dumps(fields)[1:].encode() + b"\n")
                continue
            fields = answer(match[2])
            if fields is None:
                continue
            text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)[1:]
            control.sendall(b'{"id":%d,' % int(match[1]) + text.encode() + b"\n")
            if match[2] == "vm start nope":
                event("vm-crashed", vm="web", text="as asked")
            if match[2] == "host shutdown":
                return


main()
