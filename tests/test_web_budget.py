"""What visitors load stays small, and nothing in web/ turns a string into markup or code."""

import gzip
import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from app.pages.browser_files import ROOT, BrowserFiles, browser_files, without_comments

SINKS = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    "dangerouslySetInnerHTML",
    "setHTMLUnsafe",
    "srcdoc",
    "javascript:",
)
SOURCES = sorted(
    file
    for file in ROOT.rglob("*")
    if file.suffix in {".js", ".html"} and not {"vendor", "node_modules", "dist"} & set(file.relative_to(ROOT).parts)
)


def sent(path: str) -> int:
    """Bytes on the wire of one file."""
    file = browser_files.find(path)
    assert file is not None, path
    assert file.gzipped is not None, path
    return len(file.gzipped)


def test_the_loader_is_at_most_3_kib() -> None:
    assert sent("widget/loader.js") <= 3 * 1024


def test_the_opened_chat_is_at_most_38_kib_of_script_as_modules() -> None:
    pieces = browser_files.modules("widget/main.js")
    assert len(pieces) > 20
    assert sum(sent(piece) for piece in pieces) <= 38 * 1024


def test_the_opened_chat_is_at_most_24_kib_of_script_in_one_piece() -> None:
    if not browser_files.bundled():
        pytest.skip("the bundle of release images is not here, or is older than its sources: tools/bundle/build")
    assert sent("dist/loader.js") <= 3 * 1024
    assert sent("dist/chat.js") <= 24 * 1024
    assert sent("dist/chat.css") <= 6 * 1024


def test_a_bundle_of_other_sources_is_not_used(tmp_path: Path) -> None:
    for folder in ("dist", "locales", "shared", "vendor", "widget"):
        (tmp_path / folder).mkdir()
    (tmp_path / "shared" / "a.js").write_text("let a;", encoding="utf-8")
    line = f"{hashlib.sha256(b'let a;').hexdigest()}  shared/a.js\n"
    (tmp_path / "dist" / "sources").write_text(hashlib.sha256(line.encode()).hexdigest() + "\n", encoding="ascii")
    assert BrowserFiles(tmp_path).bundled()
    (tmp_path / "shared" / "a.js").write_text("let b;", encoding="utf-8")
    assert not BrowserFiles(tmp_path).bundled()


def test_the_chats_styles_are_at_most_6_kib() -> None:
    assert sent("shared/tokens.css") + sent("widget/chat.css") <= 6 * 1024


@pytest.mark.parametrize("source", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_string_becomes_markup_or_code(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    assert [sink for sink in SINKS if sink in text] == []
    assert not re.search(r"""\son[a-z]+=["']""", text), "an inline handler"
    if source.suffix == ".html" and source.parent.name != "emails":  # mail programs know no style sheets
        assert not re.search(r"""\sstyle=["']""", text), "a style attribute does not pass our policy"
        assert "|safe" not in text.replace(" ", "")


def test_vendored_files_are_those_of_the_list() -> None:
    listed = (ROOT / "vendor" / "VENDORED.md").read_text(encoding="utf-8")
    for file in (ROOT / "vendor").glob("*.js"):
        assert hashlib.sha256(file.read_bytes()).hexdigest() in listed, f"{file.name} is not what VENDORED.md says"


def test_every_text_of_the_chat_is_in_every_language() -> None:
    languages = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in (ROOT / "locales").glob("*.json")}
    english = languages["en"]
    used: set[str] = set()
    for file in (ROOT / "widget").glob("*.js"):
        used |= set(re.findall(r"""\bt\("([a-z_.0-9]+)\"""", file.read_text(encoding="utf-8")))
    assert used - set(english) == set()
    for name, texts in languages.items():
        assert set(texts) == set(english), name
        for key, text in texts.items():
            wanted, found = (set(re.findall(r"\{(\w+)\}", json.dumps(value))) for value in (english[key], text))
            assert wanted == found, f"{name}: {key}"


def test_files_are_served_only_from_the_folders_that_are_meant_for_browsers(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "a.js").write_text("1", encoding="utf-8")
    (tmp_path / "secret.js").write_text("2", encoding="utf-8")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.js").write_text("3", encoding="utf-8")
    (tmp_path / "shared" / "a.d.ts").write_text("4", encoding="utf-8")
    files = BrowserFiles(tmp_path)
    assert files.find("shared/a.js") is not None
    for path in (
        "secret.js",
        "other/a.js",
        "shared/a.d.ts",
        "shared/../secret.js",
        "shared/%2e%2e/secret.js",
        "shared//a.js",
        "/shared/a.js",
        "shared/a.js\x00",
        "shared\\a.js",
        "shared/",
        "",
        "../shared/a.js",
        "shared/missing.js",
    ):
        assert files.find(path) is None, path


def test_a_changed_file_has_another_tag_and_another_version(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    file = tmp_path / "shared" / "a.js"
    file.write_text("let a = 1;", encoding="utf-8")
    before, version = BrowserFiles(tmp_path).find("shared/a.js"), BrowserFiles(tmp_path).version()
    file.write_text("let a = 2;", encoding="utf-8")
    os.utime(file, ns=(1, 1))
    after = BrowserFiles(tmp_path).find("shared/a.js")
    assert before is not None
    assert after is not None
    assert before.etag != after.etag
    assert BrowserFiles(tmp_path).version() != version
    assert gzip.decompress(after.gzipped or b"") == after.body


@pytest.mark.parametrize(
    ("source", "served"),
    [
        ("  a();\n  // why\n  b();", "a();\n\nb();"),
        ("/**\n * @param {string} a\n */\nfunction f(a) {}", "\n\n\nfunction f(a) {}"),
        ("/** @type {number} */ (a).b();", "(a).b();"),
        ("const a = /** @type {any} */ (b);", "const a = (b);"),
        ("/* one line */\na {\n  b: c;\n}", "\na {\nb: c;\n}"),
        ('const a = "https://x.example/";', 'const a = "https://x.example/";'),
    ],
)
def test_comments_are_not_sent(source: str, served: str) -> None:
    assert without_comments(source) == served
