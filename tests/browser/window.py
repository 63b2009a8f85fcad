"""A window of headless Chromium that finds no machine but this one, and tells what its pages ask for."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
ALONE = ("--disable-background-networking", "--disable-component-update", "--no-first-run", "--disable-sync")
HOSTS = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
PATIENCE_S = 60.0


class Window:
    """One window; its screenshots go to `folder`."""

    def __init__(self, folder: Path) -> None:
        options = ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1600,1100", HOSTS, *ALONE):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self._driver = Chrome(options=options, service=ChromeService(str(DRIVER)))
        self._driver.set_script_timeout(PATIENCE_S)
        self._folder = folder

    def open(self, url: str) -> None:
        self._driver.get("about:blank")  # another fragment alone would load nothing anew
        self._driver.get(url)

    def run(self, script: str, *arguments: object) -> Any:
        """What a function body in JavaScript returns."""
        return self._driver.execute_script(script, *arguments)

    def until(self, script: str, *arguments: object) -> Any:
        """What `script` returns as soon as that is neither false, nor 0, nor empty."""
        end_s = time.monotonic() + PATIENCE_S
        while not (value := self.run(script, *arguments)):
            assert time.monotonic() < end_s, f"not within {PATIENCE_S:g} s: {script} {arguments}; {self.text()[:1000]}"
            time.sleep(0.2)
        return value

    def text(self) -> str:
        return str(self.run("return document.body.innerText"))

    def keep(self, name: str) -> None:
        """Keep a screenshot, once what moves has come to rest."""
        time.sleep(1.0)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._driver.save_screenshot(str(self._folder / f"{name}.png"))

    def hosts(self) -> set[str]:
        """Every machine that something was asked of since this was last called."""
        urls: list[str] = []
        for entry in self._driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                urls.append(message["params"]["request"]["url"])
            elif message["method"] == "Network.webSocketCreated":
                urls.append(message["params"]["url"])
        return {str(urlsplit(url).hostname) for url in urls if urlsplit(url).scheme in ("http", "https", "ws", "wss")}

    def errors(self) -> list[str]:
        """What the console says of errors since this was last called."""
        return [str(entry["message"]) for entry in self._driver.get_log("browser") if entry["level"] == "SEVERE"]

    def close(self) -> None:
        self._driver.quit()
