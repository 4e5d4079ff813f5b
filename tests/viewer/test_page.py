"""The page in a real browser: seen, heard, filtered and walked through with the keyboard."""

import pytest

PLAYING = "() => { const one = document.querySelector('#player'); return !one.paused && one.currentTime > 0.05; }"


def shown(page):
    return page.locator(".grid .card").count()


def playing(page):
    page.wait_for_function(PLAYING)


@pytest.mark.slow
def test_hovering_plays_and_the_sound_advances(viewer, look):
    page = look(viewer)
    page.hover(".card >> nth=2")
    playing(page)
    first = page.evaluate("document.querySelector('#player').currentTime")
    page.wait_for_function("first => document.querySelector('#player').currentTime > first", arg=first)
    assert page.locator(".card.playing").get_attribute("data-row") == "2"
    page.mouse.move(600, 20)
    page.wait_for_function("() => document.querySelector('#player').paused")


@pytest.mark.slow
def test_the_keyboard_is_enough(viewer, look, settled, tiny_store):
    page = look(viewer)
    page.focus(".card")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.dataset.row") == "1"
    page.keyboard.press("Space")
    playing(page)
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('#player').paused")
    page.keyboard.press("Enter")
    settled(page, "#/clip")
    assert page.inner_text("h2") == tiny_store.y[1]
    assert page.evaluate("document.activeElement.tagName") == "H2"
    page.keyboard.press("Space")
    playing(page)
    page.wait_for_function("() => parseFloat(document.querySelector('.playhead').style.left) > 0.5")
    page.keyboard.press("Escape")
    settled(page, "")
    assert shown(page) == 40
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "text"


@pytest.mark.slow
def test_filters_are_in_the_address_and_can_be_sent(viewer, look, settled, tiny_store):
    page = look(viewer)
    page.click("summary:has-text('Category')")
    page.check("input[value=dog]")
    settled(page, "#/clips?category=dog")
    page.fill("#text", "1-")
    settled(page, "#/clips?category=dog&text=1-")
    names = tiny_store.clips["filename"][(tiny_store.y == "dog")]
    wanted = sum("1-" in name for name in names)
    assert 0 < shown(page) == wanted
    other = look(viewer, page.url.partition("/#")[2] and "#" + page.url.partition("#")[2])
    assert shown(other) == wanted
    page.click(".chip:has-text('dog')")
    settled(page, "#/clips?text=1-")
    assert shown(page) > wanted


@pytest.mark.slow
def test_the_focus_stays_where_it_was(viewer, look, settled):
    page = look(viewer)
    page.click("summary:has-text('Category')")
    page.focus("input[value=dog]")
    page.keyboard.press("Space")
    settled(page, "#/clips?category=dog")
    assert page.evaluate("document.activeElement.value") == "dog"
    page.keyboard.press("Escape")
    page.focus("#sort")
    page.keyboard.press("ArrowDown")
    settled(page, "#/clips?category=dog&sort=filename")
    assert page.evaluate("document.activeElement.id") == "sort"


@pytest.mark.slow
def test_the_skip_link_leaves_the_view_as_it_is(viewer, look):
    page = look(viewer, "#/map")
    page.focus(".skip")
    page.keyboard.press("Enter")
    assert page.evaluate("[document.activeElement.id, location.hash]") == ["main", "#/map"]


@pytest.mark.slow
def test_screen_readers_are_told(viewer, look, tiny_store):
    page = look(viewer)
    tree = page.locator("main").aria_snapshot()
    assert f'link "{tiny_store.y[0]}, {tiny_store.clips["filename"][0]}, fold 1' in tree
    assert "searchbox" in tree
    assert page.locator("html").get_attribute("lang") == "en"
    page.goto(viewer.url + f"#/clip?filename={tiny_store.clips['filename'][0]}")
    page.wait_for_selector("#spectrogram img")
    assert page.locator("#spectrogram img").get_attribute("alt").startswith("Spectrogram of")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_fits_and_can_be_read(viewer, look, settled, tiny_store, scheme, width):
    page = look(viewer, color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    clip = f"#/clip?filename={tiny_store.clips['filename'][0]}"
    for view in ("#/clips?category=dog", clip, "#/map", "#/mistakes", "#/try", "#/corrections", "#/no"):
        page.goto(viewer.url + view)
        settled(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        assert page.evaluate(LOWEST_CONTRAST) >= 4.5, view
        assert not page.evaluate(UNNAMED), view


@pytest.mark.slow
def test_a_clip_without_sound_says_why(write_store, open_viewer, look, tmp_path):
    viewer = open_viewer(write_store(tmp_path / "store"))
    page = look(viewer, "#/clip?filename=1-0-A-0.wav")
    assert "/nowhere/1-0-A-0.wav is missing" in page.inner_text(".figure .notice")
    assert page.is_disabled("#play") and page.evaluate(LOWEST_CONTRAST) >= 4.5


# What a screen reader would only call "button" or "image".
UNNAMED = """() => [...document.querySelectorAll("a, button, input, select, summary, img, canvas, meter, nav")]
  .filter((one) => one.checkVisibility() && !one.hasAttribute("alt") && !one.innerText && !one.labels?.length
    && !one.getAttribute("aria-label")).map((one) => one.outerHTML)"""

# WCAG 2: (brighter + 0.05) / (darker + 0.05) of relative luminances; 4.5 for text.
LOWEST_CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = (text) => rgb(text).slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const background = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor;
      if ((rgb(color)[3] ?? 1) > 0.5) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility()
    && !one.closest(":disabled") && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return Math.min(...texts.map((one) => {
    const [a, b] = [luminance(getComputedStyle(one).color), luminance(background(one))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }));
}"""
