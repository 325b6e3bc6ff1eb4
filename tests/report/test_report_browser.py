"""The page in headless Chromium: no error, nothing loaded, nothing too wide, dark and in print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from devtools import Browser, browser, find_chromium
from report_cases import poisoned

from edge_ser.report.gather import gather
from edge_ser.report.html import html_page
from edge_ser.report.sources import Sources

WIDTHS = (360, 1440)

OVERFLOW = """(() => {
  const wide = document.documentElement.scrollWidth;
  const inPlace = element => element.closest('.wide, pre, .skip, .unseen, svg');
  const outside = [...document.querySelectorAll('body *')]
    .filter(element => !inPlace(element) && element.getBoundingClientRect().right > innerWidth + 1)
    .map(element => element.tagName + ' ' + element.className + ' ' + element.textContent.slice(0, 40));
  return {wide, inner: innerWidth, outside};
})()"""

WITHOUT_TEXT = """[...document.querySelectorAll('svg, img, canvas, video, audio, [role=img]')]
  .filter(e => !((e.getAttribute('aria-label') || e.getAttribute('alt') || '').trim()))
  .map(e => e.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip(
            "no Chromium on the path (Debian: apt-get install chromium), and EDGE_SER_CHROMIUM names none"
        )
    with browser(program) as found:
        yield found


def _quiet(chromium: Browser, address: str) -> None:
    """Nothing was said on the console and nothing but the page itself was asked for."""
    assert chromium.named("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded") == []
    asked = [event["request"]["url"] for event in chromium.named("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [address]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_and_is_quiet(chromium: Browser, page: Path, width: int, dark: bool) -> None:
    chromium.open(page.as_uri(), width, dark=dark)
    found = chromium.value(OVERFLOW)
    assert found["inner"] == width
    assert found["outside"] == []
    assert found["wide"] <= width
    assert chromium.value(WITHOUT_TEXT) == []
    ground = chromium.value("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(","))) < 200) == dark
    _quiet(chromium, page.as_uri())


def test_sounds_can_be_played(chromium: Browser, page: Path) -> None:
    chromium.open(page.as_uri(), 1440)
    script = """Promise.all([...document.querySelectorAll('audio')].map(sound => new Promise((done, fail) => {
      if (sound.readyState >= 1) done(sound.duration);
      sound.addEventListener('loadedmetadata', () => done(sound.duration));
      sound.addEventListener('error', () => fail(new Error(sound.error.message)));
      sound.load();
    })))"""
    assert chromium.value(script) == pytest.approx([2.0, 15.0], abs=0.01)


def test_the_contents_lead_there(chromium: Browser, page: Path) -> None:
    chromium.open(page.as_uri(), 360)
    script = """[...document.querySelectorAll('nav a')].map(link => { location.hash = link.hash;
      return document.querySelector(':target')?.querySelector('h2')?.textContent === link.textContent; })"""
    assert chromium.value(script) == [True] * 11


def test_it_prints(chromium: Browser, page: Path) -> None:
    chromium.open(page.as_uri(), 1440, dark=True)
    data = chromium.pdf()
    assert data.startswith(b"%PDF-")
    assert 3 <= data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") <= 60
    # Paper is white, whatever the screen is, and what is folded on the screen is not missing on it.
    chromium.ask("Emulation.setEmulatedMedia", media="print", features=[])
    assert chromium.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert chromium.value("document.querySelector('details table').getBoundingClientRect().height") > 0
    chromium.ask("Emulation.setEmulatedMedia", media="", features=[])


def test_markup_from_elsewhere_does_nothing(chromium: Browser, tmp_path: Path) -> None:
    place = tmp_path / "bad.html"
    place.write_bytes(html_page(gather(poisoned(tmp_path / "bad.edgeser"), Sources())))
    chromium.open(place.as_uri(), 360)
    assert chromium.value("document.querySelectorAll('script, img, iframe').length") == 0
    assert chromium.named("Page.javascriptDialogOpening") == []
    found = chromium.value(OVERFLOW)
    assert found["outside"] == []
    assert found["wide"] <= 360
    _quiet(chromium, place.as_uri())


def test_the_checks_can_fail(chromium: Browser, tmp_path: Path) -> None:
    """A page that does all of it wrong is seen to do so."""
    place = tmp_path / "wrong.html"
    place.write_text(
        "<body><div style='width:3000px'>wide</div><svg></svg><img src='http://127.0.0.1:9/x'><script>nothing()</script>"
    )
    chromium.open(place.as_uri(), 360)
    assert chromium.value(OVERFLOW)["outside"]
    assert len(chromium.value(WITHOUT_TEXT)) == 2
    assert chromium.named("Runtime.exceptionThrown")
    with pytest.raises(AssertionError):
        _quiet(chromium, place.as_uri())
