"""The report in a real browser: the slider moves the picture, toggles and keys work, nothing complains."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

import augengine.probing
from augengine.compiling import Tile
from augengine.errors import SpecError
from augengine.probing import Bounds, SpecimenRequest, apply_eps
from augengine.probing.gallery import MAX_PICTURE_PX, Gallery
from augengine.probing.measuring import measure
from augengine.probing.page import _command, render_page
from augengine.probing.plots import draw_plots
from tests.support.browser import browser  # noqa: F401
from tests.support.known_pairs import forgetting, hiding
from tests.support.known_specimen import specimen
from tests.support.pictures import stained
from tests.support.probes import asked

KEYS = ("t0", "<b>bold</b>")


def tiles() -> tuple[Tile, ...]:
    mask = np.zeros((96, 96), np.uint8)
    mask[20:70, 30:80] = 1
    return tuple(Tile(key=key, image_hwc=stained(seed=i), mask=mask if i == 0 else None) for i, key in enumerate(KEYS))


@pytest.fixture(scope="module")
def page(small_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    request = asked(specimen=SpecimenRequest(stain="cd68", source="my tiles/", mpp=0.5))
    gallery = Gallery()
    found = measure(specimen(hiding(), small_weights, tiles()), request, lambda _: None, lambda *_: (), gallery=gallery)
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_bytes(render_page(found, gallery, draw_plots(found), request))
    return file


@pytest.fixture
def opened(browser: Chrome, page: Path) -> Chrome:  # noqa: F811
    browser.get(f"file://{page}")
    return browser


def by(opened: Chrome, name: str) -> WebElement:
    return opened.find_element(By.ID, name)


def one(opened: Chrome, kind: str) -> WebElement:
    return opened.find_element(By.CSS_SELECTOR, f"#tiles img.{kind}")


def shown(opened: Chrome) -> str:
    return str(one(opened, "variant").get_attribute("src"))


def source(opened: Chrome) -> str:
    return str(one(opened, "source").get_attribute("src"))


def test_it_asks_nothing_of_a_network(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)""", text) == []
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)


def test_its_script_is_short_enough_to_be_read() -> None:
    (script,) = (Path(augengine.probing.__file__).parent / "report_page").glob("*.js")
    assert len(script.read_text().splitlines()) <= 300


def test_it_opens_with_the_verdict_and_what_to_do(opened: Chrome) -> None:
    words = opened.find_element(By.CLASS_NAME, "verdict").text
    assert words.startswith("This pair hides and responds: noise moves the markers")
    assert "Next: move the slider" in opened.find_element(By.TAG_NAME, "header").text


def test_the_slider_has_ten_steps_and_each_changes_picture_and_words(opened: Chrome) -> None:
    slider = by(opened, "sigma")
    assert int(str(slider.get_attribute("max"))) >= 10
    slider.send_keys(Keys.HOME)
    seen = set()
    for _ in range(int(str(slider.get_attribute("max")))):
        seen.add((shown(opened), by(opened, "value").text))
        slider.send_keys(Keys.ARROW_RIGHT)
    assert len({picture for picture, _ in seen}) == len({sigma for _, sigma in seen}) >= 10
    assert "small markers stay" in by(opened, "said").text
    assert "Beyond the bounds" in by(opened, "said").text


def test_draws_of_one_sigma_are_other_pictures(opened: Chrome) -> None:
    seen = []
    for _ in range(4):
        seen.append(shown(opened))
        by(opened, "draw").click()
    assert len(set(seen)) == 3
    assert seen[3] == seen[0]


def test_layers_are_toggled_by_button_and_by_key(opened: Chrome) -> None:
    for name, key, kind in (("moves", "m", "moves"), ("outlines", "o", "outline")):
        assert not one(opened, kind).is_displayed()
        by(opened, name).click()
        assert one(opened, kind).is_displayed()
        assert by(opened, name).get_attribute("aria-pressed") == "true"
        opened.find_element(By.TAG_NAME, "body").send_keys(key)
        assert not one(opened, kind).is_displayed()


def test_flicker_shows_source_and_variant_in_turns_until_it_is_ended(opened: Chrome) -> None:
    variant = shown(opened)
    by(opened, "flicker").click()
    wait = WebDriverWait(opened, 5, poll_frequency=0.05)
    assert wait.until(lambda _: shown(opened) == source(opened))
    assert wait.until(lambda _: shown(opened) == variant)
    words = "window.said = 0; new MutationObserver(() => window.said++).observe(document.getElementById('said'), "
    opened.execute_script(f"{words} {{childList: true, subtree: true}})")
    assert wait.until(lambda _: shown(opened) == source(opened))
    assert wait.until(lambda _: shown(opened) == variant)
    assert opened.execute_script("return window.said") == 0  # a screen reader is told nothing anew
    by(opened, "flicker").click()
    assert shown(opened) == variant


def test_a_tile_that_is_held_shows_its_source(opened: Chrome) -> None:
    variant, tile = shown(opened), one(opened, "variant")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", tile)
    ActionChains(opened).click_and_hold(tile).perform()
    assert shown(opened) == source(opened)
    ActionChains(opened).release().perform()
    assert shown(opened) == variant


def test_a_tile_that_is_held_while_it_flickers_keeps_showing_its_source(opened: Chrome) -> None:
    by(opened, "flicker").click()
    tile = one(opened, "variant")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", tile)
    ActionChains(opened).click_and_hold(tile).perform()
    for _ in range(15):
        assert shown(opened) == source(opened)
        time.sleep(0.1)
    ActionChains(opened).release().perform()
    by(opened, "flicker").click()
    assert shown(opened) != source(opened)


def test_the_intermediate_is_neither_source_nor_variant(opened: Chrome) -> None:
    variant = shown(opened)
    by(opened, "intermediate").click()
    assert shown(opened) not in (variant, source(opened))
    assert one(opened, "variant").get_attribute("alt") == "Its translation to pas"
    assert not by(opened, "moves").is_enabled()


def test_take_this_eps_shows_the_command_for_the_sigma_that_is_seen(opened: Chrome) -> None:
    assert not by(opened, "command").is_displayed()
    by(opened, "sigma").send_keys(Keys.ARROW_LEFT)
    by(opened, "take").click()
    sigma = by(opened, "value").text
    typed = by(opened, "typed").text
    assert typed == (
        f"augengine augment --stain cd68 --in 'my tiles/' --mpp 0.5 --eps {sigma} --variants 4 "
        "--include-source --out my-shards/"
    )
    by(opened, "sigma").send_keys(Keys.HOME)
    assert not by(opened, "take").is_enabled()
    assert not by(opened, "command").is_displayed()


def test_the_command_is_put_away_by_the_same_button(opened: Chrome) -> None:
    for shows in (True, False):
        by(opened, "take").click()
        assert by(opened, "command").is_displayed() is shows
        assert by(opened, "take").get_attribute("aria-expanded") == str(shows).lower()


def test_names_are_shown_as_they_are_and_nothing_complains(opened: Chrome) -> None:
    captions = [each.text for each in opened.find_elements(By.CSS_SELECTOR, "#tiles figcaption")]
    assert captions == list(KEYS)
    logged = opened.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry for entry in logged if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize("width", [800, 1280, 400])
def test_no_width_needs_scrolling_sideways(opened: Chrome, width: int) -> None:
    opened.set_window_size(width, 900)
    wide = opened.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    opened.set_window_size(1280, 1000)
    assert wide <= 0


def test_no_eps_is_offered_with_a_pair_that_should_not_be_used(
    opened: Chrome, small_weights: Path, tmp_path: Path
) -> None:
    request, gallery = asked(bounds=Bounds(structure=0.01, area=1e9)), Gallery()
    found = measure(
        specimen(forgetting(), small_weights, tiles()), request, lambda _: None, lambda *_: (), gallery=gallery
    )
    with pytest.raises(SpecError, match="the pair is not to be used: unstable"):
        apply_eps(found, str(tmp_path / "cd68.toml"))
    (tmp_path / "report.html").write_bytes(render_page(found, gallery, draw_plots(found), request))
    opened.get(f"file://{tmp_path / 'report.html'}")
    assert "Take no eps with this pair" in opened.find_element(By.TAG_NAME, "header").text
    assert opened.find_elements(By.ID, "take") == []
    opened.find_element(By.TAG_NAME, "body").send_keys(Keys.ARROW_LEFT)
    logged = opened.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry for entry in logged if entry["level"] == "SEVERE"] == []


def test_the_command_keeps_what_probe_was_told_of_scale_and_backend() -> None:
    told = SpecimenRequest(stain="cd68", mpp=0.9, allow_mpp=True, backend="openvino")
    assert "--mpp 0.9 --backend openvino --allow-mpp --eps EPS" in _command(asked(specimen=told))


def test_large_tiles_are_made_smaller(small_weights: Path) -> None:
    pair = hiding()
    large = (Tile(key="large", image_hwc=stained(2 * MAX_PICTURE_PX, 1)),)
    gallery = Gallery()
    measure(specimen(pair, small_weights, large), asked(sigmas=(0.05,)), lambda _: None, lambda *_: (), gallery=gallery)
    assert len(gallery.sitters[0].source) < 60_000


def test_eight_tiles_of_full_size_stay_below_15_mb(small_weights: Path) -> None:
    request, gallery = asked(), Gallery()
    tile = (Tile(key="large", image_hwc=stained(MAX_PICTURE_PX, 1)),)
    found = measure(specimen(hiding(), small_weights, tile), request, lambda _: None, lambda *_: (), gallery=gallery)
    assert 8 * len(render_page(found, gallery, draw_plots(found), request)) < 15e6
