"""A headless Chromium for the tests marked ``browser``."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from .page import Browser


@pytest.fixture(scope="session")
def session_browser(tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser, None, None]:
    """One Chromium for all tests."""
    pytest.importorskip("selenium", reason="no selenium: pip install selenium")
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if programs[0] is None or programs[1] is None:
        pytest.skip("no Chromium: apt-get install chromium chromium-driver")
    started = Browser(Path(programs[0]), Path(programs[1]), tmp_path_factory.mktemp("profile"))
    yield started
    started.driver.quit()


@pytest.fixture
def browser(session_browser: Browser) -> Browser:
    """The browser on a desktop in the light."""
    session_browser.reset()
    return session_browser
