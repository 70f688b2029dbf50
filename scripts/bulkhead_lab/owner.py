"""The process that owns a run: it starts the machines, holds their serial ports, keeps what
arrives, and serves any number of clients.

Clients of RUN/NODE/control.sock share one control port. Each uses ids of its own; on the way to
the node an id is replaced by one of ours, and the client's is put back into the answer. Events go
to all. Clients of RUN/NODE/console.sock see and type what the first serial port carries.

The machines die with this process (PDEATHSIG), whatever ends it.
"""
import ctypes
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
REQUEST = re.compile(rb"@(\d{1,10})( .*)?$", re.S)
ANSWER = re.compile(rb'\{"id":(\d+|null)')
ID_LIMIT = 1 << 31


def die_with_parent():
    """For a child between fork and exec."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start_time(pid):
    """A number that tells process @pid from a later one with the same id; None: there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
            return None if fields[0] == "Z" else int(fields[19])
    except OSError:
        return None


def unix_path(path):
    """Opens the folder of @path; the returned path is short enough for a Unix socket."""
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_PATH)
    return folder, f"/proc/self/fd/{folder}/{os.path.basename(path)}"


def listen(path):
    folder, short = unix_path(path)
    try:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(short)
        server.listen(64)
        server.setblocking(False)
        return server
    finally:
        os.close(folder)


class Loop:
    """Calls back when a socket can be read or written."""

    def __init__(self):
        self._selector = selectors.DefaultSelector()

    def watch(self, sock, on_read, on_write=None):
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if on_write else 0)
        try:
            self._selector.modify(sock, events, (on_read, on_write))
        except KeyError:
            self._selector.register(sock, events, (on_read, on_write))

    def forget(self, sock):
        try:
            self._selector.unregister(sock)
        except (KeyError, ValueError):
            pass

    def turn(self, timeout):
        for key, events in self._selector.select(timeout):
            on_read, on_write = key.data
            if events & selectors.EVENT_WRITE and on_write:
                on_write()
            if events & selectors.EVENT_READ and key.fileobj.fileno() >= 0:
                on_read()


class Peer:
    """A stream with an output buffer. Input goes to @on_data(peer, bytes); b"" is its end."""

    def __init__(self, loop, sock, on_data):
        self._loop, self._sock, self._on_data, self._out = loop, sock, on_data, bytearray()
        self.line = b""
        sock.setblocking(False)
        loop.watch(sock, self._readable)

    def _readable(self):
        try:
            data = self._sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
        self._on_data(self, data)

    def _writable(self):
        try:
            sent = self._sock.send(self._out)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            self._on_data(self, b"")
            return
        del self._out[:sent]
        if not self._out:
            self._loop.watch(self._sock, self._readable)

    def send(self, data):
        if self._sock.fileno() < 0:
            return
        self._out += data
        self._loop.watch(self._sock, self._readable, self._writable)

    def flush(self, limit=1.0):
        """Before the end: gives what is still in the buffer its chance."""
        try:
            self._sock.settimeout(limit)
            self._sock.sendall(self._out)
        except (OSError, ValueError):
            pass

    def close(self):
        self._loop.forget(self._sock)
        self._sock.close()


class Port:
    """A serial port of a node: kept in a log, shared by the clients of a socket."""

    def __init__(self, loop, folder, name):
        self._loop, self._socket_path = loop, f"{folder}/{name}.sock"
        ours, self.theirs = socket.socketpair()
        self.node = Peer(loop, ours, self._from_node)
        self._log = open(f"{folder}/{name}.log", "ab", buffering=0)
        self.clients = set()
        self._server = listen(self._socket_path)
        loop.watch(self._server, self._accept)

    def _accept(self):
        try:
            sock, _ = self._server.accept()
        except OSError:
            return
        self.clients.add(Peer(self._loop, sock, self._from_client))

    def _from_client(self, client, data):
        if data:
            self.on_client_data(client, data)
        else:
            self.clients.discard(client)
            self.on_client_gone(client)

    def _from_node(self, _, data):
        if data:
            self._log.write(data)
            self.on_node_data(data)

    def on_client_data(self, _client, data):
        self.node.send(data)

    def on_client_gone(self, client):
        pass

    def on_node_data(self, data):
        for client in list(self.clients):
            client.send(data)

    def close(self):
        """The node is gone: clients get what is left, then their end."""
        self._loop.forget(self._server)
        self._server.close()
        try:
            os.unlink(self._socket_path)
        except OSError:
            pass
        for client in list(self.clients):
            client.flush()
            client.close()
        self.clients.clear()
        self.node.close()


class ControlPort(Port):
    """Requests from many, answers to the one who asked, events to all."""

    def __init__(self, loop, folder):
        super().__init__(loop, folder, "control")
        self._next_id, self._asked, self._unreadable = 1, {}, []

    def on_client_data(self, client, data):
        *lines, client.line = (client.line + data).split(b"\n")
        for line in lines:
            self._request(client, line.rstrip(b"\r"))

    def _request(self, client, line):
        if not line.strip():
            return
        match = REQUEST.match(line)
        if match and int(match[1]) < ID_LIMIT:
            while self._next_id in self._asked:
                self._next_id = self._next_id % (ID_LIMIT - 1) + 1
            ours = self._next_id
            self._next_id = self._next_id % (ID_LIMIT - 1) + 1
            self._asked[ours] = (client, int(match[1]))
            self.node.send(b"@%d%s\n" % (ours, match[2] or b""))
        else:
            self._unreadable.append(client)
            self.node.send(line + b"\n")

    def on_client_gone(self, client):
        # Answers to it will come and are dropped then.
        self._asked = {i: (None if c is client else c, their) for i, (c, their) in self._asked.items()}
        self._unreadable = [None if c is client else c for c in self._unreadable]

    def on_node_data(self, data):
        *lines, self.node.line = (self.node.line + data).split(b"\n")
        for line in lines:
            match = ANSWER.match(line)
            if match:
                self._answer(match, line.rstrip(b"\r"))
            elif line.startswith(b"{"):
                for client in list(self.clients):
                    client.send(line.rstrip(b"\r") + b"\n")

    def _answer(self, match, line):
        if match[1] == b"null":
            # It cannot say whose it is: the oldest unreadable line's, else the newest request's.
            if self._unreadable:
                client = self._unreadable.pop(0)
            elif self._asked:
                client, _ = self._asked.pop(max(self._asked))
            else:
                client = None
        else:
            client, theirs = self._asked.pop(int(match[1]), (None, 0))
            line = b'{"id":%d' % theirs + line[match.end() :]
        if client:
            client.send(line + b"\n")


class Drain:
    """The far end of a link that nobody else is on: swallows what is sent."""

    def __init__(self, loop):
        ours, self.theirs = socket.socketpair()
        Peer(loop, ours, lambda _peer, _data: None)


class Machine:
    """One QEMU process of the run."""

    def __init__(self, loop, folder, command, links):
        self._folder = folder
        self.console, self.control = Port(loop, folder, "console"), ControlPort(loop, folder)
        serial = [("console", self.console.theirs), ("control", self.control.theirs)]
        fds = [sock for _, sock in serial]
        for name, sock in serial:
            command += ["-chardev", f"socket,id={name},fd={sock.fileno()}", "-serial", f"chardev:{name}"]
        for i, link in enumerate(links):
            if link is None:
                command += ["-netdev", f"user,id=n{i}"]
            else:
                command += ["-netdev", f"stream,id=n{i},addr.type=fd,addr.str={link.fileno()}"]
                fds.append(link)
        self._log = open(f"{folder}/qemu.log", "ab", buffering=0)
        self._log.write((" ".join(command) + "\n").encode())
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            pass_fds=[fd.fileno() for fd in fds], preexec_fn=die_with_parent)
        for fd in fds:
            fd.close()
        self.is_gone = False

    def check(self):
        """Notes the end of the process once."""
        if not self.is_gone and self.process.poll() is not None:
            self.is_gone = True
            return True
        return False

    def close(self):
        self.console.close()
        self.control.close()
        with open(f"{self._folder}/exited", "w", encoding="ascii") as file:
            file.write(f"{self.process.returncode}\n")


def hub(program, ends):
    """A process that joins more than two NICs to one Ethernet segment."""
    command = [program, "-machine", "none", "-nodefaults", "-display", "none", "-monitor", "none"]
    for i, end in enumerate(ends):
        command += ["-netdev", f"stream,id=s{i},addr.type=fd,addr.str={end.fileno()}",
                    "-netdev", f"hubport,id=h{i},hubid=0,netdev=s{i}"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stdout,
                               stderr=sys.stderr, pass_fds=[e.fileno() for e in ends],
                               preexec_fn=die_with_parent)
    for end in ends:
        end.close()
    return process


def wire(loop, program, links):
    """({link name: [a socket for each NIC on it]}, hub processes). @links: {name: NIC count}."""
    ends, hubs = {}, []
    for name, count in links.items():
        if name == "user":
            ends[name] = [None] * count
        elif count == 1:
            ends[name] = [Drain(loop).theirs]
        elif count == 2:
            ends[name] = list(socket.socketpair())
        else:
            pairs = [socket.socketpair() for _ in range(count)]
            ends[name] = [pair[0] for pair in pairs]
            hubs.append(hub(program, [pair[1] for pair in pairs]))
    return ends, hubs


def own(run):
    """Runs until SIGTERM. RUN/run.json says what to start; RUN/owner.json says that it runs."""
    with open(f"{run}/run.json", encoding="utf-8") as file:
        spec = json.load(file)
    stopping = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.append(True))
    loop, count = Loop(), {}
    for node in spec["nodes"]:
        for link in node["links"]:
            count[link] = count.get(link, 0) + 1
    ends, processes = wire(loop, spec["program"], count)
    machines = []
    try:
        for node in spec["nodes"]:
            links = [ends[link].pop(0) for link in node["links"]]
            machines.append(Machine(loop, f"{run}/{node['name']}", node["command"], links))
        processes += [m.process for m in machines]
        with open(f"{run}/owner.json.new", "w", encoding="ascii") as file:
            json.dump({"pid": os.getpid(), "start": start_time(os.getpid())}, file)
        os.rename(f"{run}/owner.json.new", f"{run}/owner.json")
        while not stopping:
            loop.turn(0.2)
            for machine in machines:
                if machine.check():
                    for _ in range(20):  # what it said last
                        loop.turn(0.005)
                    machine.close()
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        end = time.monotonic() + 3
        for process in processes:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        loop.turn(0.05)
        for machine in machines:
            if not machine.is_gone:
                machine.close()
