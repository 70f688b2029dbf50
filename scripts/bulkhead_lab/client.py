"""Talks to a node of a run: command lines, answers, events, logs."""
import json
import os
import re
import socket
import time

from .owner import unix_path

DONE, FAILED, USAGE, NOT_FOUND, WRONG_STATE, UNSUPPORTED, TIMED_OUT, UNREACHABLE, ATTENTION = range(9)
EXIT_CODES = {"usage": USAGE, "not-found": NOT_FOUND, "wrong-state": WRONG_STATE,
              "unsupported": UNSUPPORTED, "timed-out": TIMED_OUT, "unreachable": UNREACHABLE}


class Unreachable(Exception):
    """The node does not run, or its control port cannot be reached."""


class TimedOut(Exception):
    """Nothing came within the limit."""


class CommandError(Exception):
    """The node refused a command; .code is the error code of its answer."""

    def __init__(self, line, error):
        super().__init__(f"{line}: {error.get('code')}: {error.get('message')}")
        self.code, self.message, self.hint = error.get("code"), error.get("message"), error.get("hint")


def quote(text):
    """Text as a quoted word. Backslashes pass: \\n means what it means to the node."""
    plain = text.replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f'"{plain}"'


def _word(text):
    return quote(text) if text == "" or re.search(r'[\s"#]', text) else text


def command_line(words):
    """One command line of the words that a shell passed."""
    out = []
    for i, word in enumerate(words):
        match = re.match(r"([a-z-]+)=(.*)$", word, re.S)
        if i == 3 and list(words[:2]) == ["vm", "type"]:
            out.append(quote(word))
        elif match:
            out.append(f"{match[1]}={_word(match[2])}")
        else:
            out.append(_word(word))
    return " ".join(out)


def _connect(address):
    """A socket at HOST:PORT or at the path of a socket; a folder is one with a control.sock."""
    match = re.fullmatch(r"\[?([^/]+?)\]?:(\d+)", address)
    if match and not os.path.exists(address):
        return socket.create_connection((match[1], int(match[2])), timeout=10)
    path = os.path.join(address, "control.sock") if os.path.isdir(address) else address
    folder, short = unix_path(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.connect(short)
    except OSError:
        made.close()
        raise
    finally:
        os.close(folder)
    return made


class Control:
    """A connection to a control port, as a serial line, the owner's socket or TCP carries it."""

    def __init__(self, address):
        self._buffer, self._id = b"", 0
        try:
            self._socket = _connect(address)
        except OSError as error:
            raise Unreachable(f"{address}: {error.strerror or error}") from error

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send_raw(self, data):
        self._socket.settimeout(60)
        self._socket.sendall(data)

    def read_line(self, timeout):
        """The next line that is JSON. Raises TimedOut or Unreachable."""
        end = time.monotonic() + timeout
        while True:
            while b"\n" in self._buffer:
                line, _, self._buffer = self._buffer.partition(b"\n")
                if line.startswith(b"{"):
                    return line.decode("utf-8", "replace")
            left = end - time.monotonic()
            if left <= 0:
                raise TimedOut(f"no line within {timeout} s")
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                continue
            except OSError as error:
                raise Unreachable(str(error)) from error
            if not data:
                raise Unreachable("the node has ended")
            self._buffer += data

    def ask(self, line, timeout=60):
        """Sends a command line; returns the answer's line of JSON as it came."""
        self._id += 1
        try:
            self.send_raw(f"@{self._id} {line}\n".encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise Unreachable(str(error)) from error
        end = time.monotonic() + timeout
        while True:
            answer = self.read_line(end - time.monotonic())
            match = re.match(r'\{"id":(\d+|null)', answer)
            if match and match[1] in (str(self._id), "null"):
                return answer


def split_options(words):
    """Takes --json out of the words, wherever it stands, but leaves the text of 'vm type'."""
    rest = [w for w in words if w != "--json"]
    wants_json = len(rest) < len(words)
    if rest[:2] == ["vm", "type"] and len(rest) == 3:
        rest, wants_json = rest + ["--json"] * wants_json, words.count("--json") > 1
    return rest, wants_json


def patience(words):
    """Seconds within which a command is answered: some wait for a guest."""
    given = dict(w.split("=", 1) for w in words if "=" in w)
    wait = given.get("wait", "60")
    longer = {"shutdown": 30 + int(wait) if wait.isdigit() else 60, "freeze": 150, "thaw": 150, "copy": 330}
    return longer.get(words[1], 60) if len(words) > 2 and words[0] == "vm" else 60


def exit_code(answer):
    """What a command ends with, by its answer."""
    if not answer.get("ok"):
        return EXIT_CODES.get(answer.get("error", {}).get("code"), FAILED)
    return ATTENTION if answer.get("attention") or answer.get("warnings") else DONE


def error_text(answer):
    """The error of an answer, for people."""
    error = answer.get("error", {})
    hint = f" (try: {error['hint']})" if error.get("hint") else ""
    return f"{error.get('code')}: {error.get('message')}{hint}"


class Node:
    """A node of a run, for tests and scripts."""

    def __init__(self, run, name):
        self.name, self.folder = name, f"{run}/{name}"

    def control(self):
        return Control(f"{self.folder}/control.sock")

    def answer(self, line, timeout=60):
        """The whole answer object of a command line."""
        with self.control() as control:
            return json.loads(control.ask(line, timeout))

    def do(self, line, timeout=60):
        """The result of a command line. Raises CommandError when the node refuses."""
        answer = self.answer(line, timeout)
        if not answer["ok"]:
            raise CommandError(line, answer["error"])
        return answer["result"]

    def refused(self, line, timeout=60):
        """The error object of a command line that must be refused."""
        answer = self.answer(line, timeout)
        if answer["ok"]:
            raise AssertionError(f"{line}: was done, should have been refused")
        return answer["error"]

    def log(self, name="console"):
        try:
            with open(f"{self.folder}/{name}.log", "rb") as file:
                return file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def has_ended(self):
        return os.path.exists(f"{self.folder}/exited")

    def event_lines(self):
        """All events so far: (the line as it came, the object)."""
        for line in self.log("control").split("\n")[:-1]:
            line = line.rstrip("\r")
            if line.startswith('{"event"'):
                try:
                    yield line, json.loads(line)
                except ValueError:
                    continue

    def events(self, event=None, vm=None, since=None):
        """The objects of the events so far that match."""
        return [e for _, e in self.event_lines() if matches(e, event, vm, since)]

    def wait_line(self, event, vm=None, since=None, timeout=60):
        """The first line of a matching event, seen already or to come. Raises TimedOut."""
        end = time.monotonic() + timeout
        while True:
            ended = self.has_ended()
            for line, found in self.event_lines():
                if matches(found, event, vm, since):
                    return line
            if ended:
                raise Unreachable(f"node {self.name} has ended")
            if time.monotonic() > end:
                raise TimedOut(f"no event {event} within {timeout} s")
            time.sleep(0.05)

    def wait(self, event, vm=None, since=None, timeout=60):
        return json.loads(self.wait_line(event, vm, since, timeout))

    def last_seq(self):
        return max((e.get("seq", 0) for _, e in self.event_lines()), default=0)

    def vm_text(self, vm, start=0):
        """What a VM's UART printed from byte @start, and the offset behind it."""
        result = self.do(f"vm log {vm} from={start}")
        return result["text"], result["next"]

    def wait_text(self, vm, pattern, start=0, timeout=60):
        """Waits until a VM printed something that matches; returns (match, text, next offset)."""
        end = time.monotonic() + timeout
        while True:
            text, offset = self.vm_text(vm, start)
            match = re.search(pattern, text)
            if match:
                return match, text, offset
            if time.monotonic() > end:
                raise TimedOut(f"vm {vm} did not print {pattern!r} within {timeout} s; "
                               f"it printed: {text[-2000:]!r}")
            time.sleep(0.1)

    def type(self, vm, text):
        """Types text at a VM's UART; \\n is the Enter key."""
        return self.do(f"vm type {vm} {quote(text)}")

    def shell(self, vm, command, timeout=60):
        """Runs a command in the shell of a Linux guest; returns what it printed."""
        start = self.do(f"vm log {vm} from=0")["next"]
        # The mark is typed in two halves, so that the echo of the line does not match.
        self.type(vm, f"{command}; echo do''ne=$?\\n")
        match, text, _ = self.wait_text(vm, r"\ndone=(\d+)", start, timeout)
        body = text[: match.start()].replace("\r", "")
        return body.split("\n", 1)[1] if "\n" in body else ""


def matches(found, event, vm, since):
    return ((event is None or found.get("event") == event)
            and (vm is None or found.get("vm") == vm)
            and (since is None or found.get("seq", 0) > since))
