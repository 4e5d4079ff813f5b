"""`esc_features train`: from a store to a model that hears recordings."""

import numpy as np

from esc_features import load_model, open_store
from esc_features._cli import main


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


def test_what_cannot_be_trained_says_so_before_it_takes_long(tiny_store, tmp_path, capsys):
    assert main(["train", str(tiny_store.path), "--method", "knm", "--out", str(tmp_path / "m.esc")]) == 2
    assert "knn" in capsys.readouterr().err
    assert main(["train", str(tiny_store.path), "--method", "knn", "--out", str(tmp_path / "no" / "m.esc")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
