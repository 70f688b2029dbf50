"""Reads a lab file: a set of machines, in TOML. Every mistake is said with cause and remedy."""
import dataclasses
import os
import re
import tomllib

MODELS = ("igb", "e1000e")
SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class LabError(Exception):
    """What a person wrote cannot be used; the text says why and what to do."""


@dataclasses.dataclass
class Nic:
    model: str
    link: str
    mac: str


@dataclasses.dataclass
class Node:
    name: str
    cpus: int = 2
    memory: int = 1 << 30
    iommu: bool = True
    conf: str | None = None
    modules: list = dataclasses.field(default_factory=list)
    nics: list = dataclasses.field(default_factory=list)


def _expect(value, kind, where, example):
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise LabError(f"{where}: {value!r} is not usable; write for example {example}")
    return value


def _known(table, keys, where):
    for key in table:
        if key not in keys:
            raise LabError(f"{where}: unknown key '{key}'; known are: {', '.join(keys)}")


def size(text, where):
    match = re.fullmatch(r"(\d+)([KMG])", _expect(text, str, where, '"1G"'))
    if not match or not int(match[1]):
        raise LabError(f"{where}: '{text}' is no size; write a number with K, M or G, as in \"1G\"")
    return int(match[1]) * SIZES[match[2]]


def _file(base, path, where):
    full = os.path.normpath(os.path.join(base, _expect(path, str, where, '"a.conf"')))
    if not os.path.isfile(full):
        raise LabError(f"{where}: there is no file {full}; paths are relative to the lab file")
    return full


def _nic(table, where, default_mac):
    _expect(table, dict, where, '{ model = "igb", link = "lan" }')
    _known(table, ("model", "link", "mac"), where)
    for key in ("model", "link"):
        if key not in table:
            raise LabError(f"{where}: '{key}' is missing; write {{ model = \"igb\", link = \"lan\" }}")
    model = _expect(table["model"], str, f"{where}.model", '"igb"')
    if model not in MODELS:
        raise LabError(f"{where}.model: unknown model '{model}'; known are: {', '.join(MODELS)}")
    link = _expect(table["link"], str, f"{where}.link", '"lan"')
    mac = _expect(table.get("mac", default_mac), str, f"{where}.mac", '"52:54:00:00:0a:01"').lower()
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", mac) or int(mac[:2], 16) & 1:
        raise LabError(f"{where}.mac: '{mac}' is no unicast MAC address such as 52:54:00:00:0a:01")
    return Nic(model, link, mac)


def _node(name, table, base, index):
    where = f"node.{name}"
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
        raise LabError(f"{where}: a node's name has 1 to 31 of a-z, 0-9 and -, and no - in front")
    _expect(table, dict, where, "[node.a]")
    _known(table, ("cpus", "memory", "iommu", "conf", "modules", "nics"), where)
    node = Node(name)
    if "cpus" in table:
        node.cpus = _expect(table["cpus"], int, f"{where}.cpus", "2")
        if not 1 <= node.cpus <= 255:
            raise LabError(f"{where}.cpus: {node.cpus} is out of range; a node has 1 to 255 CPUs")
    if "memory" in table:
        node.memory = size(table["memory"], f"{where}.memory")
    if "iommu" in table:
        node.iommu = _expect(table["iommu"], bool, f"{where}.iommu", "true")
    if "conf" in table:
        node.conf = _file(base, table["conf"], f"{where}.conf")
    for i, path in enumerate(_expect(table.get("modules", []), list, f"{where}.modules", '["a"]')):
        node.modules.append(_file(base, path, f"{where}.modules[{i}]"))
    names = ["bulkhead.conf"] if node.conf else []
    for path in node.modules:
        file = os.path.basename(path)
        if file in names:
            raise LabError(f"{where}.modules: two modules are named '{file}'; rename one of the files")
        names.append(file)
    for i, nic in enumerate(_expect(table.get("nics", []), list, f"{where}.nics", "[ ... ]")):
        node.nics.append(_nic(nic, f"{where}.nics[{i}]", f"52:54:00:00:{index:02x}:{i + 1:02x}"))
    return node


def load(path):
    """The nodes of the lab file at @path, in its order. Raises LabError."""
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise LabError(f"{path}: cannot be read: {error.strerror}; name a lab file, "
                       "for example scripts/labs/demo.toml") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LabError(f"{path}: is not TOML: {error}") from error
    try:
        _known(table, ("node",), "the file")
        nodes = _expect(table.get("node", {}), dict, "node", "[node.a]")
        if not nodes:
            raise LabError("the file has no node; add a section [node.a]")
        base = os.path.dirname(os.path.abspath(path))
        result = [_node(n, t, base, 10 + i) for i, (n, t) in enumerate(nodes.items())]
        macs = [nic.mac for node in result for nic in node.nics]
        for mac in macs:
            if macs.count(mac) > 1:
                raise LabError(f"two NICs have the MAC address {mac}; give each its own")
        return result
    except LabError as error:
        raise LabError(f"{path}: {error}") from None
