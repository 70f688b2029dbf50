"""Prints the result of a command for people: aligned tables, units that read well."""


def _bytes(count):
    for unit, size in (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f}{unit}".replace(".0", "")
    return str(count)


def _ns(count):
    for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if count >= size:
            return f"{count / size:.3f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{count} ns"


def _plain(text):
    """Text that may be a guest's own words: control characters are shown, not obeyed."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _cell(key, value):
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and key.endswith("_bytes"):
        return _bytes(value)
    if isinstance(value, int) and key.endswith("_ns"):
        return _ns(value)
    if isinstance(value, list):
        return ", ".join(_cell("", v) for v in value) or "-"
    if isinstance(value, dict):
        return " ".join(f"{_title(k)}={_cell(k, v)}" for k, v in value.items()) or "-"
    return _plain(str(value))


def _title(key):
    for ending in ("_bytes", "_ns", "_count"):
        key = key.removesuffix(ending)
    return key.replace("_", " ")


def _rows(rows):
    keys = list(dict.fromkeys(key for row in rows for key in row))
    if "text" in keys and "fields" in keys:
        keys.remove("fields")  # the text says it; --json has all
    keys = [key for key in keys if not any(is_table(row.get(key)) for row in rows)]
    lines = [[_title(key).upper() for key in keys]]
    lines += [[_cell(key, row.get(key)) for key in keys] for row in rows]
    width = [max(len(line[i]) for line in lines) for i in range(len(keys))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, width)).rstrip() for line in lines)


def is_table(value):
    return isinstance(value, list) and value and all(isinstance(v, dict) for v in value)


def text_of(result):
    """A result of the control port as text."""
    if isinstance(result, list):
        if not result:
            return "(none)"
        return _rows(result) if is_table(result) else "\n".join(_cell("", v) for v in result)
    if not isinstance(result, dict):
        return "" if result is None else str(result)
    if isinstance(result.get("text"), str):
        return result["text"].rstrip("\n")
    simple = {k: v for k, v in result.items() if not is_table(v) and not isinstance(v, dict)}
    width = max((len(_title(k)) for k in simple), default=0)
    out = [f"{_title(k).ljust(width)}  {_cell(k, v)}" for k, v in simple.items()]
    for key, value in result.items():
        if key not in simple:
            out += ["", f"{_title(key)}:"]
            out += ["  " + line for line in text_of(value).split("\n")]
    return "\n".join(out)
