"""QEMU's machine protocol: what tests look at from outside of the machine."""
import json
import os
import socket
import tempfile

from .owner import unix_path


class Qmp:
    """A connection to RUN/NODE/qmp.sock (QEMU serves one at a time)."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(30)
        folder, short = unix_path(path)
        self._socket.connect(short)
        os.close(folder)
        self._file = self._socket.makefile("rw")
        self._line()
        self.do("qmp_capabilities")

    def _line(self):
        line = self._file.readline()
        if not line:
            raise ConnectionError("QEMU has ended")
        return json.loads(line)

    def do(self, command, **arguments):
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            answer = self._line()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")

    def monitor(self, line):
        """A line of the human monitor; returns its text."""
        return self.do("human-monitor-command", **{"command-line": line})

    def memory(self, address, size):
        """Bytes of physical memory."""
        with tempfile.NamedTemporaryFile() as file:
            self.do("pmemsave", val=address, size=size, filename=file.name)
            return file.read()

    def close(self):
        self._file.close()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
