"""One browser for all tests of a session; absent tools are said, and CI has them."""

from collections.abc import Iterator

import pytest

from browser.chromium import AXE, BROWSER, Page, chromium


@pytest.fixture(scope="session")
def page() -> Iterator[Page]:
    if BROWSER is None:
        pytest.skip("no Chromium is installed: apt install chromium")
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def axe() -> str:
    if not AXE.is_file():
        pytest.skip(f"no axe-core at {AXE}: npm install --prefix .venv/node axe-core@4.14.1, or set AXE_CORE")
    return AXE.read_text(encoding="utf-8")
