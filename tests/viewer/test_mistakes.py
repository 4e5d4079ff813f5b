"""What methods confused: counted as scikit-learn counts, listed by a click, and heard."""

import numpy as np
import pandas as pd
import pytest
import requests
from sklearn.metrics import confusion_matrix

from esc_features import evaluate
from esc_features.evaluation import HeldOut, train
from esc_features.viewer import Viewer
from esc_features.viewer._collection import Query
from esc_features.viewer._mistakes import Predictions


@pytest.fixture(scope="module")
def results(tiny_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    return evaluate(tiny_store, ["knn", "svm"], out=folder, verbose=False), folder


@pytest.fixture(scope="module")
def running(results, tiny_store, tmp_path_factory):
    corrections = tmp_path_factory.mktemp("corrections") / "mine.csv"
    with Viewer(tiny_store.path, results=results[1], corrections=corrections) as viewer:
        yield viewer


def ask(viewer, path, **parameters):
    return requests.get(viewer.url + path, params=parameters, timeout=300).json()


def test_the_matrix_is_that_of_scikit_learn(running, results):
    found = {one["method"]: one for one in ask(running, "api/mistakes")["methods"]}
    for method in ("knn", "svm"):
        (held,) = results[0].held_out(method)
        wanted = confusion_matrix(held.truth, held.predicted, labels=range(len(held.categories)))
        np.testing.assert_array_equal(found[method]["matrix"], wanted)
        assert found[method]["correct"] == np.trace(wanted)


def test_a_cell_lists_its_clips_the_surest_first(running, results):
    (held,) = results[0].held_out("knn")
    true, said = next(zip(*np.nonzero(confusion_matrix(held.truth, held.predicted)), strict=True))
    chosen = (held.truth == true) & (held.predicted == said)
    names = held.categories
    clips = ask(running, "api/clips", method="knn", true=names[true], predicted=names[said], sort="confidence")["clips"]
    assert sorted(clip["filename"] for clip in clips) == sorted(held.clips["filename"][chosen])
    sure = [clip["predictions"][0]["confidence"] for clip in clips]
    assert sure == sorted(sure, reverse=True)
    np.testing.assert_allclose(sorted(sure), np.sort(held.scores[chosen, said]), rtol=1e-6)


def test_two_methods_side_by_side(running, results):
    right = {}
    for method in ("knn", "svm"):
        (held,) = results[0].held_out(method)
        right[method] = set(held.clips["filename"][held.correct == 1])
    one = ask(running, "api/clips", method="svm", outcome="correct", other="knn")["clips"]
    assert {clip["filename"] for clip in one} == right["svm"] - right["knn"]
    every = {clip["filename"] for clip in ask(running, "api/clips")["clips"]}
    suspicious = ask(running, "api/clips", suspicious="1", sort="confidence")["clips"]
    assert {clip["filename"] for clip in suspicious} == every - right["knn"] - right["svm"]


@pytest.mark.slow
def test_a_click_on_a_cell_lists_the_confused_clips(running, look, settled):
    page = look(running, "#/mistakes?method=knn")
    cell = page.locator(".confusion button").first
    number = int(cell.inner_text())
    cell.click()
    settled(page, "#/clips?method=knn&true=")
    assert page.locator(".card").count() == number
    assert "knn" in page.locator(".card .tag.correct, .card .tag.wrong").first.inner_text()
    page.locator(".card").first.click()
    settled(page, "#/clip?")
    assert page.locator("#predictions tbody tr").count() == 2


@pytest.mark.slow
def test_an_evaluated_method_answers_a_recording_that_is_dropped(running, results, look, tiny_store):
    path = tiny_store.clips["path"][0]
    before = {one: one.stat().st_mtime_ns for one in results[1].rglob("*")}
    page = look(running, "#/try")
    assert set(page.locator("#model option").all_inner_texts()[:2]) == {"method: knn", "method: svm"}
    page.select_option("#model", "method: knn")
    drop(page, path)
    page.wait_for_selector("#probabilities")
    assert {one: one.stat().st_mtime_ns for one in results[1].rglob("*")} == before
    model = train(tiny_store, "knn", out=results[1], verbose=False).pipeline
    wanted = dict(zip(model.classes_, model.predict_proba([path])[0], strict=True))
    names = page.locator("#probabilities .name").all_inner_texts()
    shares = page.locator("#probabilities meter").evaluate_all("all => all.map((one) => one.value)")
    assert dict(zip(names, shares, strict=True)) == pytest.approx(wanted, abs=1e-6)
    assert shares == sorted(shares, reverse=True)
    page.click("#play")
    page.wait_for_function("() => document.querySelector('#player').currentTime > 0.05")


@pytest.mark.slow
def test_what_is_no_recording_is_said(running, look, tmp_path):
    (tmp_path / "notes.txt").write_text("This is no sound.")
    page = look(running, "#/try")
    look.problems.clear()
    drop(page, tmp_path / "notes.txt")
    page.wait_for_selector("#answer .notice")
    assert page.inner_text("#answer .notice").startswith("The recording is not audio")
    assert all("400" in problem or "404" in problem for problem in look.problems)
    look.problems.clear()


@pytest.mark.slow
def test_the_microphone_is_heard(running, look):
    page = look(running, "#/try", permissions=["microphone"])
    page.select_option("#model", "")
    page.click("#record")
    page.wait_for_selector("#record:has-text('Stop')")
    page.wait_for_function("() => parseFloat(document.querySelector('#recorded').textContent) > 0.3")
    page.click("#record")
    page.wait_for_selector("#answer #spectrogram img")
    assert page.inner_text("#answer h3") == "From the microphone"


def drop(page, path):
    """Let a real file of the disk fall on the page."""
    import base64
    from pathlib import Path

    path = Path(path)
    page.evaluate(
        """([content, name]) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name));
            const event = new DragEvent("drop", { dataTransfer: transfer, bubbles: true });
            document.querySelector("#drop").dispatchEvent(event);
        }""",
        [base64.b64encode(path.read_bytes()).decode(), path.name],
    )


def test_several_labels_are_judged_one_by_one():
    clips = pd.DataFrame({"filename": ["a", "b", "c"], "start": 0.0, "end": np.inf, "src_file": "r", "split": "1"})
    truth, predicted = np.array([[1, 0], [1, 1], [0, 1]], np.int8), np.array([[1, 1], [0, 1], [0, 1]], np.int8)
    held = HeldOut(clips, ("dog", "rain"), truth, predicted, predicted.astype(np.float32), "probability")
    one = Predictions("made", held, np.array([2, -1, 1, 0]))
    assert one.summary()["labels"] == [[1, 1, 0], [2, 0, 1]]
    for category, counts in zip(held.categories, one.summary()["labels"], strict=True):
        cells = [{"true": category, "predicted": category}, {"true": category, "outcome": "wrong"},
                 {"predicted": category, "outcome": "wrong"}]  # fmt: skip
        assert [one.matches(Query(**cell)).sum() for cell in cells] == counts
    assert one.matches(Query(outcome="wrong")).tolist() == [False, False, True, True]
