"""The inventories of several hosts as one."""
from collections import Counter

from . import client, table

# Of several exit codes the first of these is the one to end with.
WORST_FIRST = (client.UNREACHABLE, client.TIMED_OUT, client.FAILED, client.USAGE, client.NOT_FOUND,
               client.WRONG_STATE, client.UNSUPPORTED, client.ATTENTION)


def worst_code(codes):
    codes = set(codes)
    return next((code for code in WORST_FIRST if code in codes), client.DONE)


class Host:
    """What one host answered to `host show` and `tools status`."""

    def __init__(self, address, shown, status):
        self.address, self.status = address, status
        self.info = (shown.get("result") or {}) if shown.get("ok") else {}
        self.build = (self.info.get("version"), self.info.get("build"))


def usual_build(hosts):
    """The version and build that most hosts have, the newest of them when that is not clear."""
    counts = Counter(h.build for h in hosts if h.info)
    return max(counts, key=lambda build: (counts[build], str(build)), default=None)


def status(hosts):
    """An object like the answer to `tools status`, with the host in each row."""
    names, usual = Counter(h.info.get("name") for h in hosts), usual_build(hosts)
    out = {"ok": True, "result": [], "hosts": []}
    for h in hosts:
        name = h.info.get("name")
        name = name if name and names[name] == 1 else h.address
        ok, differs = bool(h.status.get("ok")), bool(h.info) and h.build != usual
        out["result"] += [{"host": name, **row} for row in h.status.get("result", [])] if ok else []
        out["hosts"].append({"host": name, "address": h.address, "version": h.build[0], "build": h.build[1],
                             "differs": differs, "error": None if ok else client.error_text(h.status)})
        out["ok"] &= ok
    out["attention"] = (any(h.status.get("attention") for h in hosts)
                        or any(h["differs"] for h in out["hosts"]))
    codes = [client.exit_code(h.status) for h in hosts]
    out["exit_code"] = worst_code(codes + [client.ATTENTION] * out["attention"])
    return out


def status_text(merged):
    """The same for people: the table, then what is to be said of the hosts."""
    lines = [table.text_of(merged["result"])]
    usual = next((f"{h['version']} ({h['build']})" for h in merged["hosts"]
                  if h["version"] and not h["differs"]), "")
    for h in merged["hosts"]:
        if h["differs"]:
            lines.append(f"host {h['host']} runs {h['version']} ({h['build']}), others {usual}")
        if h["error"]:
            lines.append(f"host {h['host']}: {h['error']}")
    return "\n".join(lines)
