"""`esc_features train`: from a store to a model that hears recordings."""

import numpy as np
import pytest

from esc_features import load_model, open_store
from esc_features._cli import main


@pytest.mark.slow
def test_a_method_is_trained_evaluated_and_saved(tiny_store, tmp_path, capsys):
    out, results = tmp_path / "m.esc", tmp_path / "results"
    store = open_store(tiny_store.path)
    arguments = ["train", str(store.path), "--method", "knn", "--out", str(out), "--results", str(results)]
    assert main([*arguments, "--licence", "CC0"]) == 0
    said = capsys.readouterr().out
    assert "**Licence of the data:** CC0" in said
    model = load_model(out)
    np.testing.assert_array_equal(model.predict(store.audio), model.predict(store.audio[:]))
    assert model.card_.figures["accuracy"] > 0.3
    assert model.card_.dataset == "demo"
    assert sorted(model.classes_) == sorted(store.categories)
    assert "The method knn" in model.card_.about


@pytest.mark.slow
def test_a_pipeline_of_a_user_is_trained_and_loads_where_its_module_is_trusted(
    tiny_store, tmp_path, capsys, monkeypatch
):
    (tmp_path / "users.py").write_text(
        "import numpy as np\n"
        "from sklearn.base import BaseEstimator, TransformerMixin\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import StandardScaler\n"
        "from esc_features import MFCCStatistics\n"
        "class Halved(TransformerMixin, BaseEstimator):\n"
        "    def fit(self, X, y=None):\n"
        "        self.factor_ = 0.5\n"
        "        return self\n"
        "    def transform(self, X):\n"
        "        return np.asarray(X) * self.factor_\n"
        "pipeline = make_pipeline(MFCCStatistics(), StandardScaler(), Halved(), LogisticRegression())\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    out, store = str(tmp_path / "m.esc"), open_store(tiny_store.path)
    results = str(tmp_path / "results")
    assert main(["train", str(store.path), "--method", "users:pipeline", "--out", out, "--results", results]) == 0
    assert "**Loads only if you trust:** users.Halved" in capsys.readouterr().out
    recordings = str(tiny_store.clips["path"][0])
    assert main(["predict", out, recordings, "--quiet"]) == 2
    assert "trusted=['users.Halved'] (--trust NAME" in capsys.readouterr().err
    assert main(["predict", out, recordings, "--quiet", "--threshold", "0", "--trust", "users"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(store.categories)


def test_what_cannot_be_trained_says_so_before_it_takes_long(tiny_store, tmp_path, capsys):
    assert main(["train", str(tiny_store.path), "--method", "knm", "--out", str(tmp_path / "m.esc")]) == 2
    assert "knn" in capsys.readouterr().err
    assert main(["train", str(tiny_store.path), "--method", "knn", "--out", str(tmp_path / "no" / "m.esc")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
