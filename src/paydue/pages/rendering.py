"""Templates and static files: compiled and read once, and never asked for anything but their names."""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256, sha384
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

STATIC_PATH: Final = "/static/"

_SCRIPT: Final = "pay.js"
_ROOM: Final = Path(__file__).parent
_MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".woff2": "font/woff2",
        ".txt": "text/plain; charset=utf-8",
    }
)


class StaticFile(msgspec.Struct, frozen=True):
    media_type: str
    content: bytes


class StaticFiles:
    """
    The files that pages link to, all in memory: a path that was not read at the start leads nowhere.

    `root` holds a digest of them all, so that a browser may keep what it has for ever and an upgrade is seen at once.
    """

    def __init__(self) -> None:
        folder = _ROOM / "static"
        self._files: dict[str, StaticFile] = {}
        digest = sha256()
        for path in sorted(each for each in folder.rglob("*") if each.suffix in _MEDIA_TYPES):
            name, content = path.relative_to(folder).as_posix(), path.read_bytes()
            self._files[name] = StaticFile(_MEDIA_TYPES[path.suffix], content)
            digest.update(b"%d %s %d " % (len(name), name.encode(), len(content)) + content)
        self.version: Final = digest.hexdigest()[:12]
        self.root: Final = STATIC_PATH + self.version

    def shared(self) -> dict[str, str]:
        """Return what templates may use: where the files are, and the element that loads the payment page's script."""
        script = self.find(_SCRIPT)
        if script is None:
            return {"static": self.root, "script": ""}
        digest = b64encode(sha384(script.content).digest()).decode()
        return {
            "static": self.root,
            "script": f'<script src="{self.root}/{_SCRIPT}" integrity="sha384-{digest}" type="module"></script>',
        }

    def find(self, name: str) -> StaticFile | None:
        return self._files.get(name)


class Templates:
    """Renders templates, compiled when first asked for; whatever stands in a value comes out as text."""

    def __init__(self, static: StaticFiles) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_ROOM / "templates"),
            undefined=StrictUndefined,
            autoescape=True,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= static.shared()

    def render(self, name: str, values: Mapping[str, object]) -> bytes:
        """Return the page as UTF-8."""
        # A lone surrogate, which only a bug lets in, is shown as a question mark.
        return self._environment.get_template(name).render(values).encode("utf-8", "replace")
