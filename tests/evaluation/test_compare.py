"""`compare`: predictions from anywhere, by the same statistics."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from esc_features import MFCCStatistics, evaluate
from esc_features.evaluation import _compare, compare


@pytest.fixture(scope="module")
def board(tiny_store, tmp_path_factory):
    methods = {f"{count} neighbors": make_pipeline(MFCCStatistics(), KNeighborsClassifier(count)) for count in (3, 7)}
    return evaluate(tiny_store, methods, out=tmp_path_factory.mktemp("out"), verbose=False)


@pytest.fixture
def given(tiny_store):
    """Predictions of 40 clips, a quarter of them wrong."""
    names = tiny_store.y.copy()
    numbers = np.searchsorted(np.unique(tiny_store.target), tiny_store.target)
    names[::4] = np.roll(tiny_store.categories, 1)[numbers[::4]]
    return pd.DataFrame({"filename": tiny_store.clips["filename"], "predicted": names})


class TestSameAsEvaluate:
    def test_a_leaderboards_own_predictions_score_the_same(self, board, tiny_store):
        again = compare(
            {name: board.predictions(name, probabilities=True) for name in board.table["method"]}, tiny_store
        )
        columns = ["method", "accuracy", "low", "high", "std_over_folds", "macro_f1", "log_loss", "ece"]
        pd.testing.assert_frame_equal(again.table[columns], board.table[columns], rtol=1e-5)

    def test_from_a_csv_of_a_colleague_in_any_order(self, board, tiny_store, tmp_path):
        said = board.predictions("3 neighbors", probabilities=True).sample(frac=1, random_state=0)
        said.to_csv(tmp_path / "colleague.csv", index=False)
        again = compare({"theirs": tmp_path / "colleague.csv"}, tiny_store)
        assert again.table["accuracy"][0] == pytest.approx(board.interval("3 neighbors").value)

    def test_arrays_in_the_order_of_the_store(self, board, tiny_store):
        said = (
            board.predictions("3 neighbors", probabilities=True).set_index("filename").loc[tiny_store.clips["filename"]]
        )
        again = compare(
            {"names": said["predicted"].to_numpy(), "chances": said[tiny_store.categories].to_numpy()}, tiny_store
        )
        assert again.interval("names").value == pytest.approx(board.interval("3 neighbors").value)
        wanted = reference.accuracy_score(said["true"], said[tiny_store.categories].idxmax(axis=1))
        assert again.interval("chances").value == pytest.approx(wanted)


class TestWithoutAStore:
    def test_the_tables_say_what_is_true(self, given, tiny_store):
        table = given.assign(true=tiny_store.y, src_file=tiny_store.sources)
        found = compare({"mine": table})
        assert found.interval().value == pytest.approx(0.75) and found.facts.sources == len(set(tiny_store.sources))
        assert "not checked" in found.to_text()

    def test_clips_are_their_own_recordings_by_default(self, given, tiny_store):
        assert compare({"mine": given.assign(true=tiny_store.y)}).facts.sources == 40

    @pytest.mark.parametrize("order", [("told", "bare"), ("bare", "told")])
    def test_what_one_table_says_of_a_clip_holds_for_all(self, given, tiny_store, order):
        """Only one of the tables knows recordings and splits, which it numbers."""
        bare = given.assign(true=tiny_store.y)
        told = bare.assign(src_file=tiny_store.sources, split=tiny_store.folds)
        tables = {"told": told, "bare": bare}
        found = compare({name: tables[name] for name in order})
        assert found.facts.sources == len(set(tiny_store.sources))
        assert set(found.results["split"]) == {"1", "2", "3", "4", "5"} == set(found.facts.splits)
        assert found.interval("bare") == found.interval("told") == compare({"told": told}).interval()
        assert found.interval().low < 0.75 < found.interval().high
        assert found.compare("told", "bare").value == 0

    def test_clips_that_no_table_gives_a_split_are_one(self, given, tiny_store):
        assert compare({"mine": given.assign(true=tiny_store.y)}).facts.splits == ("all",)

    def test_windows_of_one_file_are_clips_of_their_own(self):
        table = pd.DataFrame(
            {"filename": "a.wav", "start": [0.0, 3.0], "end": [3.0, 6.0], "true": ["dog", "rain"],
             "predicted": ["dog", "dog"]}
        )  # fmt: skip
        assert compare({"mine": table}).interval().value == 0.5


def test_published_figures_stand_beside_the_official_folds_alone(given, tiny_store, monkeypatch):
    monkeypatch.setattr(_compare, "official_name", lambda clips: "esc10")
    folds = [f"fold{fold}" for fold in tiny_store.folds]
    for table in (given, given.assign(split=folds), given.assign(split=tiny_store.folds)):
        assert "human listeners" in compare({"mine": table}, tiny_store).to_text()
    for other in (given.assign(split="all"), given.assign(split=np.arange(40) % 5)):
        found = compare({"mine": other, "theirs": given}, tiny_store)
        assert found.published == [] and "human listeners" not in found.to_text()
        assert found.compare("mine", "theirs").value == 0 and found.facts.splits == tuple(sorted(set(folds)))


def test_splits_that_overlap_are_the_tables_own(given, tiny_store):
    """Cross-validation that was repeated: each clip is held out twice."""
    twice = pd.concat([given.assign(split="a"), given.assign(split="b", predicted=tiny_store.y)])
    found = compare({"mine": twice}, tiny_store)
    assert found.by_fold.loc["mine"].to_dict() == {"a": 0.75, "b": 1.0} and found.interval().value == 0.875
    assert found.confusions().sum() == 40


class TestMistakes:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t.drop(columns="filename"), "no column 'filename'"),
            (lambda t: t.iloc[1:], "has no prediction for 1 of 40 clips"),
            (lambda t: pd.concat([t, t.iloc[:1]]), "twice"),
            (lambda t: t.assign(filename=["x.wav", *t["filename"][1:]]), "x.wav, which is not among"),
            (lambda t: t.assign(predicted="unicorn"), "'unicorn', which is not a category"),
            (lambda t: t.drop(columns="predicted"), "neither a column 'predicted'"),
            (lambda t: t.assign(dog=0.5), "one column per category"),
        ],
    )
    def test_are_named(self, given, tiny_store, change, message):
        with pytest.raises(ValueError, match=message):
            compare({"mine": change(given)}, tiny_store)

    def test_of_probabilities_and_arrays(self, given, tiny_store):
        bad = given.assign(**dict.fromkeys(tiny_store.categories, 0.9))
        with pytest.raises(ValueError, match="add up to 1"):
            compare({"mine": bad}, tiny_store)
        with pytest.raises(ValueError, match="array of 3 rows"):
            compare({"mine": np.array(["dog"] * 3)}, tiny_store)
        with pytest.raises(ValueError, match="no column 'true'"):
            compare({"mine": given})
        with pytest.raises(ValueError, match="nothing to compare"):
            compare({}, tiny_store)

    def test_tables_that_disagree(self, given, tiny_store):
        table = given.assign(true=tiny_store.y)
        other = table.assign(true=np.roll(table["true"], 1))
        with pytest.raises(ValueError, match="disagree about the true category of"):
            compare({"one": table, "two": other})
