"""The house rules that a reader would otherwise have to remember: who imports whom, what no source may contain."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "paydue"
MODULES = sorted(PACKAGE.rglob("*.py"))

LONGEST_FILE_LINES = 400
ALLOWED_LONG_FILES: frozenset[str] = frozenset()

# Who alone may import what speaks to others. Calls over HTTP all go through delivery/egress.py, where the address is
# judged that is dialled; what it parses them with opens no connection. Mails go to the operator's own server.
WHO_SPEAKS_WITH = {
    **dict.fromkeys(("aiohttp", "http.client", "httpx", "httpx2", "requests", "urllib.request", "urllib3"), None),
    "h11": "delivery/http_exchange.py",
    "httpcore": "delivery/http_exchange.py",
    "aiosmtplib": "delivery/smtp.py",
    "smtplib": None,
    # Stripe's library writes requests; it is handed who sends them, and would send by itself otherwise.
    "stripe": "gateways/stripe_client.py",
}

# The standard library's ways to the world outside, to which the domain is deaf and blind.
WORLD_OUTSIDE = {
    "asyncio", "concurrent", "ctypes", "http", "io", "json", "locale", "logging", "multiprocessing", "os", "pathlib",
    "queue", "random", "secrets", "select", "selectors", "shutil", "signal", "smtplib", "socket", "socketserver",
    "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip

SECRET_WORDS = {"digest", "hexdigest", "hmac", "mac", "password", "secret", "signature", "token"}

# Spelled in parts, or this file would break its own rule.
REGISTRY_HOSTS = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.com", "npm" + "js.org", "deb." + "debian"]
REGISTRY_OPTIONS = ["--index" + "-url", "--extra-index" + "-url", '"resolved": "' + "http"]


def test_the_rooms_import_downwards_only_and_peers_are_strangers():
    # In a process of its own: it switches off the loggers that other tests listen to.
    program = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    checked = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("room", ["domain", "usecases"])
def test_the_rules_rest_on_the_standard_library_and_msgspec_alone(room):
    allowed = sys.stdlib_module_names | {"msgspec", "paydue"}

    assert [
        f"{named(module)} imports {imported}"
        for module in modules_below(room)
        for imported in imports_of(module)
        if top_level(imported) not in allowed
    ] == []


def test_the_domain_knows_no_clock_no_disk_and_no_network():
    assert [
        f"{named(module)} imports {imported}"
        for module in modules_below("domain")
        for imported in imports_of(module)
        if top_level(imported) in WORLD_OUTSIDE
    ] == []


def test_only_those_meant_for_it_speak_to_the_outside():
    assert [
        f"{named(module)} imports {imported}"
        for module in MODULES
        for imported in imports_of(module)
        for client, speaker in WHO_SPEAKS_WITH.items()
        if (imported == client or imported.startswith(f"{client}.")) and named(module) != speaker
    ] == []


def test_only_the_egress_module_runs_exchanges_and_only_bootstrap_makes_one():
    assert {named(module) for module in MODULES for imported in imports_of(module) if "http_exchange" in imported} == {
        "delivery/egress.py"
    }


def test_secrets_are_never_compared_with_double_equals():
    assert [
        f"{named(module)}:{comparison.lineno}: {ast.unparse(comparison)}; use hmac.compare_digest"
        for module in MODULES
        for comparison in plain_comparisons_of_secrets(parsed(module))
    ] == []


@pytest.mark.parametrize(
    "code, is_refused",
    [
        ("signature == expected", True),
        ("expected != request.signature", True),
        ("a < b == row['token_digest']", True),
        ("hasher.hexdigest() == given", True),
        ("stored.api_secret == given.api_secret", True),
        ("token == ''", False),
        ("signature_algorithm == known_algorithm", False),
        ("hmac.compare_digest(signature, expected)", False),
        ("token in tokens", False),
    ],
)
def test_the_check_for_plain_comparisons_tells_secrets_from_other_names(code, is_refused):
    assert bool(plain_comparisons_of_secrets(ast.parse(code))) is is_refused


def test_every_module_opens_with_a_docstring():
    assert [named(module) for module in MODULES if not ast.get_docstring(parsed(module))] == []


def test_no_source_file_is_too_long_to_read():
    long_files = {named(module) for module in MODULES if len(text_of(module).splitlines()) > LONGEST_FILE_LINES}

    assert long_files == ALLOWED_LONG_FILES


def test_no_file_names_a_package_registry():
    assert [
        f"{path.relative_to(ROOT)} mentions {word}"
        for path in files_of_the_repository()
        for word in REGISTRY_HOSTS + REGISTRY_OPTIONS
        if word in text_of(path)
    ] == []


def plain_comparisons_of_secrets(tree: ast.AST) -> list[ast.Compare]:
    """
    Find `==` and `!=` with a secret on either side.

    A literal on the other side is let through: it stands in the source for everyone to read.
    """
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False)
        if isinstance(operator, ast.Eq | ast.NotEq)
        if not isinstance(left, ast.Constant) and not isinstance(right, ast.Constant)
        if last_word_of(left) in SECRET_WORDS or last_word_of(right) in SECRET_WORDS
    ]


def last_word_of(expression: ast.expr) -> str:
    match expression:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lower().rpartition("_")[2]
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name.lower().rpartition("_")[2]
        case ast.Call(func=function):
            return last_word_of(function)
        case ast.Await(value=value):
            return last_word_of(value)
    return ""


def imports_of(module: Path) -> Iterator[str]:
    for node in ast.walk(parsed(module)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(source), names=names):
                # `from urllib import request` brings a module as much as `import urllib.request` does.
                yield from (f"{source}.{name.name}" for name in names)


def top_level(imported: str) -> str:
    return imported.partition(".")[0]


def modules_below(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


def files_of_the_repository() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    assert paths
    return [path for path in paths if path.is_file()]


def named(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def parsed(module: Path) -> ast.Module:
    return ast.parse(text_of(module), filename=str(module))


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
