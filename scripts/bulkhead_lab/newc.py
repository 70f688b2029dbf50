"""Writes cpio archives in the 'newc' format, the one that Linux and Bulkhead read."""

S_IFDIR, S_IFCHR, S_IFREG, S_IFLNK = 0o040000, 0o020000, 0o100000, 0o120000


def _entry(name, mode, data=b"", inode=0, rdev=(0, 0), align=None, offset=0):
    """One member at byte @offset of the archive; @align puts its data on such a boundary."""
    raw = name.encode() + b"\0"
    start = offset + 110
    if align:
        # The name's length counts every NUL, so NULs behind the name move the data.
        raw += b"\0" * (-(start + len(raw)) % align)
    fields = [inode, mode, 0, 0, 2 if mode & S_IFDIR else 1, 0, len(data), 0, 0, *rdev, len(raw), 0]
    out = b"070701" + b"".join(b"%08x" % f for f in fields) + raw
    out += b"\0" * (-(offset + len(out)) % 4)
    return out + data + b"\0" * (-len(data) % 4)


class Archive:
    """Members appear in the order in which they are added; no time and no owner is kept."""

    def __init__(self):
        self._parts, self._size, self._inode = [], 0, 0

    def _add(self, *args, **kwargs):
        self._inode += 1
        part = _entry(*args, inode=self._inode, offset=self._size, **kwargs)
        self._parts.append(part)
        self._size += len(part)

    def directory(self, name):
        self._add(name, S_IFDIR | 0o755)

    def device(self, name, major, minor):
        self._add(name, S_IFCHR | 0o600, rdev=(major, minor))

    def symlink(self, name, target):
        self._add(name, S_IFLNK | 0o777, target.encode())

    def file(self, name, data, mode=0o644, align=None):
        self._add(name, S_IFREG | mode, data, align=align)

    def bytes(self):
        """The whole archive with its trailer."""
        tail = _entry("TRAILER!!!", 0, offset=self._size)
        pad = b"\0" * (-(self._size + len(tail)) % 512)
        return b"".join([*self._parts, tail, pad])


def read(data):
    """Yields (name, mode, bytes, offset of the data) for each member of an archive."""
    offset = 0
    while data[offset : offset + 6] == b"070701":
        field = [int(data[offset + 6 + 8 * i : offset + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = field[1], field[6], field[11]
        name = data[offset + 110 : offset + 110 + name_size].split(b"\0")[0].decode()
        body = (offset + 110 + name_size + 3) & ~3
        if name == "TRAILER!!!":
            return
        yield name, mode, data[body : body + size], body
        offset = (body + size + 3) & ~3
