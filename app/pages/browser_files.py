"""The files under web/ as browsers get them: checked path, without comments, gzipped, with a strong ETag."""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "web"
FOLDERS = frozenset({"admin", "console", "demo", "dist", "locales", "shared", "vendor", "widget"})
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_IMPORT = re.compile(r'^(?:import|export|\})[^"\n]*?"(\.[^"]+\.js)"', re.MULTILINE)
_CAST = re.compile(r"/\*\* @type \{[^*]*\} \*/ ?")
_COMPRESSED = frozenset({".css", ".js", ".json", ".svg"})
_PATH = re.compile(r"[a-z0-9_-]+(?:/[a-z0-9_-]+)*/[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class BrowserFile:
    """One file, ready to be sent."""

    body: bytes
    gzipped: bytes | None
    etag: str
    media_type: str


class BrowserFiles:
    """Reads files once and again when they change on disk.

    Args:
        root: the folder that holds the served folders.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._read: dict[str, tuple[int, BrowserFile]] = {}
        self._version = ""
        self._version_at = 0.0
        self._bundled = ("", False)

    def find(self, path: str) -> BrowserFile | None:
        """Return the file of a path like `shared/tokens.css`, or None for everything that is not ours to serve."""
        media_type = TYPES.get(Path(path).suffix)
        if not _PATH.fullmatch(path) or path.split("/")[0] not in FOLDERS or media_type is None:
            return None
        file = self._root / path
        try:
            changed = file.stat().st_mtime_ns
            known = self._read.get(path)
            if known is not None and known[0] == changed:
                return known[1]
            body = file.read_bytes()
        except OSError:
            return None
        if file.suffix in {".css", ".js"} and not path.startswith(("dist/", "vendor/")):
            body = without_comments(body.decode()).encode()
        gzipped = gzip.compress(body, 9, mtime=0) if file.suffix in _COMPRESSED else None
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        ready = BrowserFile(body, gzipped, etag, media_type)
        self._read[path] = (changed, ready)
        return ready

    def modules(self, entry: str) -> list[str]:
        """Return a module and all that it imports, so that a page can ask for them at once."""
        found: dict[str, None] = {}
        waiting = [entry]
        while waiting:
            path = waiting.pop()
            file = self.find(path)
            if file is None or path in found:
                continue
            found[path] = None
            imports: list[str] = _IMPORT.findall(file.body.decode())
            waiting += [posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in imports]
        return list(found)

    def version(self) -> str:
        """Return a short name for the present state of all files; it changes when one of them does."""
        now = time.monotonic()
        if not self._version or now - self._version_at > 1:
            files = sorted(self._root.glob("*/**/*.*"))
            state = [(str(file.relative_to(self._root)), file.stat().st_mtime_ns) for file in files]
            self._version = hashlib.sha256(repr(state).encode()).hexdigest()[:12]
            self._version_at = now
        return self._version

    def bundled(self) -> bool:
        """Tell whether web/dist holds the chat in one piece (tools/bundle), made from the sources that lie here."""
        version = self.version()
        if self._bundled[0] != version:
            self._bundled = (version, self._is_fresh())
        return self._bundled[1]

    def _is_fresh(self) -> bool:
        try:
            made_from = (self._root / "dist" / "sources").read_text(encoding="ascii").strip()
        except OSError:
            return False
        sums: list[str] = []
        for folder in ("locales", "shared", "vendor", "widget"):
            for file in (self._root / folder).rglob("*"):
                if file.suffix in {".css", ".js", ".json"}:
                    digest = hashlib.sha256(file.read_bytes()).hexdigest()
                    sums.append(f"{digest}  {file.relative_to(self._root).as_posix()}\n")
        sums.sort(key=lambda line: line.partition("  ")[2].encode())
        return hashlib.sha256("".join(sums).encode()).hexdigest() == made_from


def without_comments(source: str) -> str:
    """Return JavaScript or CSS without indentation, type notes and the lines that are only comment.

    Line numbers stay as they are in the source, so that an error in the browser still points at the right line.
    """
    lines: list[str] = []
    inside = False
    for raw in source.split("\n"):
        line = raw.strip()
        comment = inside or line.startswith(("//", "/*"))
        if inside or line.startswith("/*"):
            _, end, code = line.partition("*/")
            inside = not end
            comment = not code
        lines.append("" if comment else _CAST.sub("", line))
    return "\n".join(lines)


browser_files = BrowserFiles()
