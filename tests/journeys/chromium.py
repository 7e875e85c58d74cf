"""The browser of the journeys: found on the machine, or installed from Debian when that is possible.

`python -m tests.journeys.chromium` sees to it that there is one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DEBIAN_PACKAGE = "chromium-headless-shell"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """The path of a Chromium: DESKBELL_TEST_BROWSER if set, else one on the machine, else Playwright's own."""
    named = os.environ.get("DESKBELL_TEST_BROWSER")
    if named:
        return named
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    return _playwrights_own()


def install_chromium() -> str | None:
    """Install Debian's headless Chromium as root or by sudo; None, or why it cannot be."""
    if not shutil.which("apt-get"):
        return "this is no Debian"
    if os.geteuid() == 0:
        prefix: list[str] = []
    elif shutil.which("sudo") and _succeeds("sudo", "-n", "true"):
        prefix = ["sudo", "-n"]
    else:
        return "this user may not install packages"
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    install = [*apt, "install", "-y", "--no-install-recommends", DEBIAN_PACKAGE]
    if _succeeds(*install) or (_succeeds(*apt, "update") and _succeeds(*install)):
        return None
    return f"apt-get could not install {DEBIAN_PACKAGE}"


def main() -> None:
    """Exit with 0 if there is a browser in the end, else say in one line what to do."""
    if find_chromium():
        return
    print("No Chromium was found: installing it ...", flush=True)
    reason = install_chromium()
    if reason or not find_chromium():
        print(
            f"The tests need Chromium ({reason or 'it was not found after its installation'}): install the package "
            f"{DEBIAN_PACKAGE} or chromium, or name one in DESKBELL_TEST_BROWSER.",
            file=sys.stderr,
        )
        raise SystemExit(1)


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False).returncode == 0


if __name__ == "__main__":
    main()
