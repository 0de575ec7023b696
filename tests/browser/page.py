"""A page in Chromium, as a person and a screen reader meet it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --lang=en"
).split()


class Browser:
    """Chromium without a window.

    Args:
        chromium: The browser.
        driver: Its driver.
        profile: An empty folder.
    """

    def __init__(self, chromium: Path, driver: Path, profile: Path) -> None:
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = str(chromium)
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(executable_path=str(driver))
        self.driver: Any = webdriver.Chrome(options=options, service=service)

    def reset(self) -> None:
        """A desktop in the light, and empty logs."""
        self.driver.get("about:blank")
        self.reset_screen()
        self.complaints()
        self.requests()

    def reset_screen(self) -> None:
        """A desktop in the light."""
        self.resize(1280, 900)
        self.prefer("light")

    def open(self, page: Path) -> None:
        """Opens a report and waits for its charts."""
        self.driver.get(page.as_uri())
        self.wait(lambda: self.run("return document.documentElement.classList.contains('ready')"))

    def wait(self, is_so: Callable[[], Any]) -> None:
        """Waits until something is so."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 30).until(lambda _: is_so())

    def run(self, script: str, *arguments: object) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *arguments)

    def one(self, selector: str) -> Any:
        """The first element of a selector."""
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        """All elements of a selector."""
        return self.driver.find_elements("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        """Their texts, seen or not."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector)

    def choose(self, name: str, text: str) -> None:
        """Chooses an option of the filter."""
        from selenium.webdriver.support.ui import Select

        Select(self.one(f"select[name={name}]")).select_by_visible_text(text)

    def press(self, key: str) -> None:
        """Presses a key, by its name in selenium."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        ActionChains(self.driver).send_keys(getattr(Keys, key)).perform()

    def point_at(self, element: Any) -> None:
        """Clicks in the middle of an element, whatever it is."""
        from selenium.webdriver.common.action_chains import ActionChains

        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        ActionChains(self.driver).move_to_element(element).pause(0.2).click().perform()

    def resize(self, width: int, height: int) -> None:
        """Another screen; a narrow one is a phone's."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme: str) -> None:
        """``light`` or ``dark``."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def complaints(self) -> list[str]:
        """What the console said since this was asked before."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses that were asked for since this was asked before."""
        entries = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [entry["params"] for entry in entries if entry["method"] == "Network.requestWillBeSent"]
        return [params["request"]["url"] for params in sent]
