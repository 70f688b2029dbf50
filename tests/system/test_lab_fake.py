"""The lab launcher without a hypervisor: a small program stands in for QEMU."""
import json
import os
import pty
import select
import socket
import subprocess
import threading
import time

from bulkhead_lab import client, labfile, machine, newc, owner

HERE = os.path.dirname(os.path.abspath(__file__))
LAB = os.path.join(machine.ROOT, "scripts", "lab")
ENV = {**os.environ, "BULKHEAD_LAB_QEMU": os.path.join(HERE, "fake_node.py")}
FILE = '[node.a]\ncpus = 1\n[node.b]\nmemory = "512M"\nconf = "b.conf"\n'


def lab(*words, code=0):
    done = subprocess.run([LAB, *words], env=ENV, text=True, capture_output=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == code, f"{words}: exit {done.returncode}, not {code}: {done.stderr}"
    return done.stdout if code == 0 else done.stdout + done.stderr


class Fake:
    """A run of two fake nodes."""

    def __init__(self, t):
        t.write("b.conf", "# nothing\n")
        self.file = t.write("lab.toml", FILE)
        self.dir = os.path.join(t.folder, "run")

    def __enter__(self):
        lab("up", self.file, "--dir", self.dir)
        return self

    def __exit__(self, *_):
        lab("down", "--dir", self.dir)

    def ctl(self, *words, code=0):
        return lab("ctl", "--dir", self.dir, *words, code=code)


def processes_of(folder):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if folder.encode() in file.read() and int(pid) != os.getpid():
                    found.append(int(pid))
        except OSError:
            continue
    return found


def test_up_and_down_leave_logs_and_no_process(t):
    with Fake(t) as fake:
        assert processes_of(fake.dir)
        assert lab("up", fake.file, "--dir", fake.dir, code=1).count("not empty") == 1
        fake.ctl("a", "vm", "list")
    assert not processes_of(fake.dir)
    with open(f"{fake.dir}/a/console.log", "rb") as file:
        assert b"Bulkhead (fake)" in file.read()
    with open(f"{fake.dir}/a/control.log", "rb") as file:
        assert b"host-ready" in file.read()
    fake.ctl("a", "vm", "list", code=7)
    lab("down", "--dir", fake.dir)


def test_answers_as_json_and_as_a_table(t):
    with Fake(t) as fake:
        for words in (["a", "--json", "vm", "list"], ["a", "vm", "list", "--json"]):
            answer = json.loads(fake.ctl(*words))
            assert answer["ok"] and answer["result"][0]["name"] == "web"
        table = fake.ctl("a", "vm", "list").splitlines()
        assert table[0].split() == ["NAME", "STATE", "CPUS", "MEMORY", "UPTIME"], table
        assert table[1].split()[:4] == ["web", "running", "2", "256M"], table


def test_exit_codes_follow_the_error_codes(t):
    with Fake(t) as fake:
        for code, line in ((2, "nonsense"), (3, "vm start nope"), (4, "vm pause off"),
                           (5, "vm odd"), (6, "vm slow"), (1, "vm full")):
            assert "cannot" in fake.ctl("b", *line.split(), code=code)
        lab("ctl", "--dir", fake.dir, "--timeout", "0.5", "a", "sleep", code=6)
        lab("ctl", "--dir", fake.dir, "c", "vm", "list", code=3)
    lab("ctl", "--dir", "/nonexistent", "a", "vm", "list", code=7)


def test_words_are_quoted(t):
    for words, line in (
        (["vm", "list"], "vm list"),
        (["echo", "a b"], 'echo "a b"'),
        (["echo", ""], 'echo ""'),
        (["echo", 'say "x"'], 'echo "say \\"x\\""'),
        (["echo", "a#b"], 'echo "a#b"'),
        (["echo", "a\\nb c"], 'echo "a\\nb c"'),
        (["vm", "create", "w", "cmdline=console=ttyS0 quiet"], 'vm create w cmdline="console=ttyS0 quiet"'),
        (["vm", "create", "w", "cmdline=quiet"], "vm create w cmdline=quiet"),
        (["vm", "create", "w", "A=b c"], 'vm create w "A=b c"'),
        (["vm", "type", "w", "uname -a\\n"], 'vm type w "uname -a\\n"'),
        (["vm", "type", "w", "name=a b"], 'vm type w "name=a b"'),
    ):
        assert client.command_line(words) == line, (words, client.command_line(words), line)


def test_many_clients_share_the_port(t):
    with Fake(t) as fake:
        wrong = []

        def one(number):
            with client.Control(f"{fake.dir}/a/control.sock") as control:
                for i in range(50):
                    answer = json.loads(control.ask(f"echo {number}-{i}"))
                    if answer["result"]["text"] != f"{number}-{i}" or answer["id"] != i + 1:
                        wrong.append(answer)

        threads = [threading.Thread(target=one, args=(n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong, wrong[:3]


def test_a_line_without_id_is_answered_with_null(t):
    with Fake(t) as fake, client.Control(f"{fake.dir}/a/control.sock") as control:
        for line in (b"hello\n", b"@99999999999 vm list\n"):
            control.send_raw(line)
            answer = json.loads(control.read_line(10))
            assert answer["id"] is None and answer["error"]["code"] == "usage"


def test_wait_sees_old_and_new_events(t):
    with Fake(t) as fake:
        seen = json.loads(lab("wait", "--dir", fake.dir, "a", "--event", "host-ready"))
        lab("wait", "--dir", fake.dir, "a", "--event", "host-ready", "--since", str(seen["seq"]),
            "--timeout", "0.3", code=6)
        lab("wait", "--dir", fake.dir, "a", "--event", "host-ready", "--vm", "web",
            "--timeout", "0.3", code=6)
        waiter = subprocess.Popen([LAB, "wait", "--dir", fake.dir, "a", "--event", "vm-crashed",
                                   "--vm", "web"], env=ENV, stdout=subprocess.PIPE, text=True)
        time.sleep(0.3)
        fake.ctl("a", "vm", "start", "nope", code=3)
        assert json.loads(waiter.communicate(timeout=20)[0])["text"] == "as asked"
        assert waiter.returncode == 0


def test_a_node_that_ends_cannot_be_reached(t):
    with Fake(t) as fake:
        fake.ctl("a", "host", "shutdown")
        node = client.Node(fake.dir, "a")
        end = time.monotonic() + 10
        while not node.has_ended() and time.monotonic() < end:
            time.sleep(0.05)
        fake.ctl("a", "vm", "list", code=7)
        fake.ctl("b", "vm", "list")


BHCTL = os.path.join(machine.ROOT, "scripts", "bhctl")


def bhctl(*words, code=0):
    done = subprocess.run([BHCTL, *words], text=True, capture_output=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == code, f"{words}: exit {done.returncode}, not {code}: {done.stderr}"
    return done.stdout + done.stderr


def hosts(fake, names):
    return [word for name in names for word in ("--host", f"{fake.dir}/{name}/control.sock")]


class Tcp:
    """The control port of a node of a run, by TCP, for one client after the other."""

    def __init__(self, path):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, args=(path,), daemon=True).start()

    def _serve(self, path):
        while True:
            here, _ = self._server.accept()
            there = socket.socket(socket.AF_UNIX)
            folder, short = owner.unix_path(path)
            there.connect(short)
            os.close(folder)
            other = {here: there, there: here}
            while True:
                ready = select.select([here, there], [], [])[0]
                data = ready[0].recv(65536)
                if not data:
                    break
                other[ready[0]].sendall(data)
            here.close()
            there.close()


def test_bhctl_speaks_to_one_host_by_socket_folder_or_tcp(t):
    with Fake(t) as fake:
        tcp = Tcp(f"{fake.dir}/a/control.sock")
        for host in (f"{fake.dir}/a/control.sock", f"{fake.dir}/a", tcp.address):
            answer = json.loads(bhctl("--host", host, "--json", "vm", "list"))
            assert answer["ok"] and answer["result"][0]["name"] == "web", answer
        assert bhctl(*hosts(fake, "a"), "vm", "start", "nope", code=3).startswith("error: not-found")
    bhctl("--host", "/nonexistent/control.sock", "vm", "list", code=7)
    bhctl("--host", "127.0.0.1:1", "vm", "list", code=7)
    bhctl("vm", "list", code=2)


def test_bhctl_merges_inventories_and_flags_what_differs(t):
    path = t.write("three.toml", "[node.a]\n[node.b]\n[node.c]\n[node.d]\n")
    run = os.path.join(t.folder, "run")
    lab("up", path, "--dir", run)
    try:
        def host(*names):
            return [w for n in names for w in ("--host", f"{run}/{n}/control.sock")]

        text = bhctl(*host("a", "d"), "tools", "status")
        assert [line.split()[:2] for line in text.splitlines()] == [["HOST", "NAME"], ["a", "web"],
                                                                    ["d", "web"]], text
        assert "\x1b" not in text and "differs" not in text, text
        merged = json.loads(bhctl(*host("a", "b"), "tools", "status", "--json", code=8))
        assert [(r["host"], r["verdict"]) for r in merged["result"]] == [("a", "current"),
                                                                         ("b", "missing")], merged
        text = bhctl(*host("a", "c", "d"), "tools", "status", code=8)
        assert "host c runs 1 (debug), others 0 (debug)" in text, text
        merged = json.loads(bhctl(*host("a"), "--host", "/nonexistent/x", "--json", "tools", "status", code=7))
        assert merged["hosts"][1]["error"] and len(merged["result"]) == 1, merged
        answers = json.loads(bhctl(*host("a", "b"), "--json", "vm", "list"))["hosts"]
        assert [a["answer"]["ok"] for a in answers] == [True, True], answers
    finally:
        lab("down", "--dir", run)


RUN = os.path.join(machine.ROOT, "scripts", "run")


def test_run_without_a_terminal_asks_each_guest_and_sums_up(t):
    done = subprocess.run([RUN, "--lab", t.write("one.toml", "[node.a]\n")], env=ENV, text=True,
                          capture_output=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("banner", "web", "Linux fake 6.1.0", "memory used  512 MiB of 1024 MiB"):
        assert words in done.stdout, done.stdout


def test_run_with_a_terminal_attaches_the_console_until_ctrl_a_x(t):
    path = t.write("one.toml", "[node.a]\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(RUN, [RUN, "--lab", path], ENV)
    seen = b""

    def read_until(words):
        nonlocal seen
        end = time.monotonic() + 30
        while words not in seen and time.monotonic() < end:
            if select.select([terminal], [], [], 0.2)[0]:
                seen += os.read(terminal, 4096)
        assert words in seen, seen

    read_until(b"Bulkhead (fake)")
    assert b"Ctrl-A X" in seen, seen
    os.write(terminal, b"hello")
    read_until(b"HELLO")
    os.write(terminal, b"\x01x")
    read_until(b"ended")
    _, status = os.waitpid(pid, 0)
    assert status == 0, status


def test_accel_auto_believes_only_a_guest_that_sees_svm(t):
    assert machine.guest_sees_svm("tcg", "max")
    assert not machine.guest_sees_svm("tcg", "max,svm=off")
    assert not machine.guest_sees_svm("none", "max")
    assert machine.choose_accel("auto", icount=True) == "tcg"


def test_mistakes_in_lab_files_name_cause_and_remedy(t):
    t.write("a.conf", "")
    for text, words in (
        ("", "no node"),
        ("nodes = 1\n[node.a]\n", "unknown key 'nodes'"),
        ("[node.a]\ncpu = 2\n", "unknown key 'cpu'; known are: cpus"),
        ("[node.a]\ncpus = 0\n", "1 to 255"),
        ("[node.a]\ncpus = true\n", "not usable"),
        ('[node.a]\nmemory = "1T"\n', "is no size"),
        ("[node.a]\nmemory = 1\n", "not usable"),
        ('[node.a]\nconf = "none.conf"\n', "there is no file"),
        ('[node.a]\nmodules = ["a.conf", "../%s/a.conf"]\n' % os.path.basename(t.folder), "two modules"),
        ("[node.A]\n", "name has"),
        ('[node.a]\nnics = [ { model = "rtl8139", link = "x" } ]\n', "unknown model"),
        ('[node.a]\nnics = [ { model = "igb" } ]\n', "'link' is missing"),
        ('[node.a]\nnics = [ { model = "igb", link = "x", vlan = 1 } ]\n', "unknown key 'vlan'"),
        ('[node.a]\nnics = [ { model = "igb", link = "x", mac = "1" } ]\n', "no unicast MAC"),
        ("[node.a\n", "is not TOML"),
    ):
        path = t.write("bad.toml", text)
        try:
            labfile.load(path)
        except labfile.LabError as error:
            assert words in str(error) and path in str(error), (text, str(error))
        else:
            raise AssertionError(f"accepted: {text!r}")


def test_modules_start_on_page_boundaries(t):
    node = labfile.Node("a", conf=t.write("x.conf", "host show\n"))
    node.modules = [t.write(f"m{i}", os.urandom(n)) for i, n in enumerate((0, 1, 4096, 70001))]
    path = os.path.join(t.folder, "modules.cpio")
    machine.make_modules_cpio(node, path)
    with open(path, "rb") as file:
        members = list(newc.read(file.read()))
    assert [m[0] for m in members] == ["bulkhead.conf", "m0", "m1", "m2", "m3"]
    for (name, _, data, offset), source in zip(members, [node.conf, *node.modules]):
        with open(source, "rb") as file:
            assert data == file.read(), name
        assert offset % 4096 == 0, name
    listing = subprocess.run(["cpio", "-t", "--quiet"], stdin=open(path, "rb"), text=True,
                             capture_output=True, check=True).stdout.split()
    assert listing == [m[0] for m in members], listing
