"""The report in a real browser: it asks nobody for anything, log text does not run, and it fits phones and desks."""

import html
import http.server
import re
import shutil
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gcsl_data.audit.report.page import report_html
from tests.data.report_support import shown, stats

pytestmark = pytest.mark.system

SCRIPT = "<script>document.title='it ran'</script>"
FAVICON = "/favicon.ico"  # browsers ask for it by themselves


class Browser:
    """Chromium without a window, and the server that it is sent to. `asked` holds the paths that were asked for."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder
        self.asked: list[str] = []
        self.pages: dict[str, str] = {}
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _handler(browser) -> type[http.server.BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                browser.asked.append(self.path)
                self.send_response(200 if self.path in browser.pages else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(browser.pages.get(self.path, "").encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def run(self, page: str, *flags: str, inner: str = "") -> tuple[str, str]:
        """What it prints of `page`, and what it says on its console; `inner` is what stands at /inner."""
        self.pages, self.asked[:] = {"/page": page, "/inner": inner}, []
        command = [
            self._program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--hide-scrollbars",
            "--enable-logging=stderr", "--virtual-time-budget=3000", f"--user-data-dir={self._folder}/profile", *flags,
            f"{self.address}/page",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("chromium is not installed (scripts/system-deps says why)")
    opened = Browser(program, tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


def hostile(browser: Browser) -> str:
    text = (
        f"{SCRIPT}\"><img src={browser.address}/img onerror=document.title='it ran'></style></title></textarea>{SCRIPT}"
        f"<link rel=stylesheet href={browser.address}/css></text></svg><svg onload=document.title='it ran'>"
        f"<iframe src={browser.address}/frame></iframe><meta http-equiv=refresh content='0;url={browser.address}/gone'>"
    )
    return report_html(stats(lambda _: text), shown(lambda _: text))


def title(dom: str) -> str:
    found = re.search(r"<title>(.*?)</title>", dom, re.DOTALL)
    assert found
    return html.unescape(found[1])


def test_the_trap_works_on_a_page_that_does_not_escape(browser: Browser) -> None:
    dom, _ = browser.run(f"<title>before</title><img src={browser.address}/img>{SCRIPT}", "--dump-dom")

    assert title(dom) == "it ran"
    assert "/img" in browser.asked


def test_log_text_neither_runs_nor_asks_for_anything(browser: Browser) -> None:
    page = hostile(browser)

    dom, console = browser.run(page, "--dump-dom")

    assert title(dom) == title(page)
    assert set(browser.asked) <= {"/page", FAVICON}
    assert console == ""


def test_a_script_in_the_page_would_be_refused(browser: Browser) -> None:
    page = report_html(stats(), shown()).replace("</main>", f"</main>{SCRIPT}<img src={browser.address}/img>")

    dom, console = browser.run(page, "--dump-dom")

    assert title(dom) == title(page)
    assert "Content Security Policy" in console
    assert "/img" not in browser.asked


def test_a_harmless_report_breaks_no_rule_of_its_policy(browser: Browser) -> None:
    _, console = browser.run(report_html(stats(), shown()), "--dump-dom")

    assert console == ""
    assert set(browser.asked) <= {"/page", FAVICON}


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_it_can_be_looked_at_in_the_light_and_in_the_dark(
    browser: Browser, tmp_path: Path, width: int, height: int
) -> None:
    pictures = {}
    for scheme, setting in (("dark", 0), ("light", 1)):
        picture = tmp_path / f"{scheme}.png"
        flags = (
            f"--window-size={width},{height}",
            f"--screenshot={picture}",
            f"--blink-settings=preferredColorScheme={setting}",
        )
        browser.run(report_html(stats(), shown()), *flags)
        pictures[scheme] = picture.read_bytes()
        assert struct.unpack(">II", pictures[scheme][16:24]) == (width, height)

    assert pictures["dark"] != pictures["light"]


@pytest.mark.parametrize(("width", "seen"), [(390, "narrow"), (1280, "wide")])
def test_nothing_is_wider_than_the_screen_and_one_of_two_pictures_is_shown(
    browser: Browser, width: int, seen: str
) -> None:
    measure = (
        "<script>const seen = [...document.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().width);"
        "const kinds = new Set(seen.map(svg => svg.getAttribute('class')));"
        "parent.document.title = [document.documentElement.scrollWidth, ...kinds].join(' ')</script>"
    )
    inner = hostile(browser).replace("<details", "<details open")
    inner = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", inner).replace(
        "</body>", f"{measure}</body>"
    )
    page = f"<title>before</title><iframe src=/inner width={width} height=900 style='border:0'></iframe>"

    dom, _ = browser.run(page, "--dump-dom", "--window-size=1400,1000", inner=inner)

    assert title(dom) == f"{width} {seen}"
