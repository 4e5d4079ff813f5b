"""The map: the plane of scikit-learn's PCA, a lasso that finds what lies in it, and neighbours by brute force."""

import numpy as np
import pytest
import requests
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler


def ask(viewer, path, **parameters):
    return requests.get(viewer.url + path, params=parameters, timeout=300).json()


@pytest.fixture
def standardised(tiny_store):
    return StandardScaler().fit_transform(tiny_store["mfcc"].to_numpy().astype(float))


def test_points_lie_as_in_pca(viewer, standardised):
    found = np.array(ask(viewer, "api/map", feature="mfcc")["points"]) / 10_000
    wanted = PCA(2).fit_transform(standardised)
    inside = ((found > 0.011) & (found < 0.989)).all(axis=1)
    for axis in range(2):
        assert abs(np.corrcoef(found[inside, axis], wanted[inside, axis])[0, 1]) > 0.999


def test_neighbours_are_the_nearest(viewer, tiny_store, standardised):
    clip = ask(viewer, "api/clip", filename=tiny_store.clips["filename"][6])
    distances, rows = NearestNeighbors(n_neighbors=13).fit(standardised).kneighbors(standardised[[6]])
    assert [one["row"] for one in clip["neighbours"]] == rows[0, 1:].tolist()
    np.testing.assert_allclose([one["distance"] for one in clip["neighbours"]], distances[0, 1:], rtol=1e-3)


def test_a_lasso_holds_what_lies_in_it(viewer):
    shown = ask(viewer, "api/map", feature="mfcc")
    points = np.array(shown["points"]) / 10_000
    box = "mfcc:pca:-,0;0.5,0;0.5,1;0,1".replace("-", "0")
    found = [clip["row"] for clip in ask(viewer, "api/clips", lasso=box)["clips"]]
    assert found == np.flatnonzero(points[:, 0] < 0.5).tolist()


@pytest.mark.parametrize(
    "lasso",
    ["mfcc:pca:0,0;1,1", "mfcc:tree:0,0;1,1;0,1", "no", "mel:pca:0,0;1,1;0,1", "mfcc:pca:0,0;1,nan;0,1",
     "mfcc:pca:" + "11,11" * 300],
)  # fmt: skip
def test_no_lasso_is_a_sentence(viewer, lasso):
    answer = requests.get(viewer.url + "api/clips", params={"lasso": lasso}, timeout=300)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")


def test_tsne_places_every_clip(viewer):
    assert len(ask(viewer, "api/map", feature="mfcc", method="tsne")["points"]) == 40


@pytest.mark.slow
def test_hovering_plays_and_the_lasso_selects(viewer, look, settled):
    page = look(viewer, "#/map")
    shown = ask(viewer, "api/map")
    box = page.locator("canvas").bounding_box()
    x, y = np.array(shown["points"][3]) / 10_000
    page.mouse.move(box["x"] + x * box["width"] + 1, box["y"] + (1 - y) * box["height"] + 1)
    page.wait_for_function("() => document.querySelector('#player').currentTime > 0.05")
    corners = [(0.01, 0.01), (0.5, 0.01), (0.5, 0.99), (0.01, 0.99), (0.01, 0.02)]
    at = [(box["x"] + px * box["width"], box["y"] + (1 - py) * box["height"]) for px, py in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for corner in at[1:]:
        page.mouse.move(*corner, steps=6)
    page.mouse.up()
    settled(page, "#/clips?lasso=")
    points = np.array(shown["points"]) / 10_000
    inside = ((points > [0.01, 0.01]) & (points < [0.5, 0.99])).all(axis=1).sum()
    assert abs(page.locator(".card").count() - inside) <= 1
    assert page.locator(".card").count() > 0


@pytest.mark.slow
def test_the_map_is_walked_through_with_the_keyboard(viewer, look, settled):
    page = look(viewer, "#/map")
    page.focus("canvas")
    page.keyboard.press("ArrowRight")
    first = page.get_attribute("canvas", "data-row")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("canvas", "data-row") not in (None, first)
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('#player').currentTime > 0.05")
    page.keyboard.press("Enter")
    settled(page, "#/clip?filename=")


@pytest.mark.slow
def test_a_line_is_drawn_with_the_keyboard(viewer, look, settled):
    page = look(viewer, "#/map")
    page.focus("canvas")
    corners = set()
    for key in ["ArrowLeft"] * 9 + ["c"] + ["ArrowRight"] * 9 + ["c"] + ["ArrowUp", "ArrowUp", "ArrowUp", "c"]:
        page.keyboard.press(key)
        if key == "c":
            corners.add(page.get_attribute("canvas", "data-row"))
    assert len(corners) == 3
    page.keyboard.press("l")
    settled(page, "#/clips?lasso=")
    assert page.locator(".card").count() < 40
