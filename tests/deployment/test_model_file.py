"""A model comes back with the same bits, parameters and card, and brings no code that nobody trusted."""

import json
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from skorch.callbacks import Checkpoint, EarlyStopping
from torch import nn

from esc_features import MelSpectrogram, MFCCStatistics, Waveform, load_model, open_store, save_model
from esc_features.augmentation import SpecAugment, TimeShift
from esc_features.datasets import OFFICIAL_DATASETS, OfficialDataset, _official
from esc_features.deployment import _model_file, read_card
from esc_features.exceptions import ModelError
from esc_features.features import EfficientNetLiteEmbedding, ResNetEmbedding
from esc_features.model_selection import HoldOutFold
from esc_features.models import (
    ClipClassifier,
    ConvNetClassifier,
    DeepConvNetClassifier,
    ResNetClassifier,
    RNNClassifier,
    WeightAveraging,
)
from esc_features.preprocessing import Standardizer


def mel():
    return MelSpectrogram(duration=0.5, n_mels=32)


def mfcc():
    return MFCCStatistics(sample_rate=16000, duration=0.5)


def net(kind=ConvNetClassifier, **parameters):
    return kind(**{"max_epochs": 1, "random_state": 0, "device": "cpu", **parameters})


MODELS = {
    "convnet": lambda: make_pipeline(
        mel(),
        Standardizer(),
        net(
            iterator_train__transforms=[TimeShift(0.3), SpecAugment()],
            callbacks=[EarlyStopping(monitor="train_loss", patience=7), WeightAveraging(decay=0.9)],
            class_weight="balanced",
            module__dropout=0.25,
        ),
    ),
    "deepconvnet": lambda: make_pipeline(mel(), Standardizer("global"), net(DeepConvNetClassifier)),
    "rnn": lambda: make_pipeline(Waveform(duration=0.5), net(RNNClassifier, module__frame_length=400)),
    "resnet": lambda: make_pipeline(mel(), net(ResNetClassifier, weights=None)),
    "net alone": lambda: net(ClipClassifier, module=Linear),
    "knn": lambda: make_pipeline(mfcc(), KNeighborsClassifier(2)),
    "svm": lambda: make_pipeline(mfcc(), SVC(kernel="rbf")),
    "forest": lambda: make_pipeline(mfcc(), RandomForestClassifier(5, random_state=0)),
    "logistic": lambda: make_pipeline(
        mfcc(), StandardScaler(), FunctionTransformer(np.arctan), LogisticRegression(C=0.1)
    ),
    "efficientnet": lambda: make_pipeline(
        EfficientNetLiteEmbedding(duration=0.5), StandardScaler(), LogisticRegression()
    ),
    "vote": lambda: VotingClassifier(
        [("net", make_pipeline(mel(), net())), ("logistic", make_pipeline(mfcc(), LogisticRegression()))], voting="soft"
    ),
    "calibrated": lambda: make_pipeline(mel(), CalibratedClassifierCV(net(), cv=2)),
    "held out": lambda: make_pipeline(mel(), net(train_split=HoldOutFold(2))),
    "search": lambda: GridSearchCV(
        make_pipeline(mfcc(), LogisticRegression()), {"logisticregression__C": [1, 10]}, cv=2
    ),
}


class Linear(nn.Module):
    def __init__(self, input_size, n_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(input_size, n_classes))

    def forward(self, x):
        return self.layers(x)


def plain(value):
    """Parameters as something that compares: objects by their own parameters."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value))
    if hasattr(value, "get_params") and not isinstance(value, type):
        return type(value), {name: plain(item) for name, item in value.get_params(deep=False).items()}
    return value


def answers(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.decision_function(X)


@pytest.mark.slow
def test_every_model_round_trips_bit_for_bit(subtests_of_models, waveforms, labels, tmp_path):
    name, trusted = subtests_of_models
    model = MODELS[name]()
    if name == "held out":
        model[-1].set_params(train_split=None)  # there are no folds in an array of waveforms
    model.fit(waveforms, labels)
    save_model(model, tmp_path / "m.esc")
    loaded = load_model(tmp_path / "m.esc", trusted=trusted)
    model = getattr(model, "best_estimator_", model)
    np.testing.assert_array_equal(answers(loaded, waveforms), answers(model, waveforms))
    np.testing.assert_array_equal(loaded.predict(waveforms), model.predict(waveforms))
    assert loaded.classes_.dtype == model.classes_.dtype
    assert plain(loaded) == plain(model)
    names = zipfile.ZipFile(tmp_path / "m.esc").namelist()
    assert not any(name.endswith((".pkl", ".pickle", ".pt", ".joblib")) for name in names)
    # What was loaded is saved again, and is the same again.
    save_model(loaded, tmp_path / "again.esc")
    np.testing.assert_array_equal(
        answers(load_model(tmp_path / "again.esc", trusted=trusted), waveforms), answers(model, waveforms)
    )


@pytest.fixture(params=[*MODELS])
def subtests_of_models(request):
    return request.param, [public for public in [f"{Linear.__module__}.Linear"] if request.param == "net alone"]


def test_a_fitted_net_has_the_memory_layout_that_it_was_trained_with(waveforms, labels, tmp_path):
    model = make_pipeline(mel(), net(DeepConvNetClassifier)).fit(waveforms, labels)
    save_model(model, tmp_path / "m.esc")
    strides = [weight.stride() for weight in model[-1].module_.parameters()]
    assert [weight.stride() for weight in load_model(tmp_path / "m.esc")[-1].module_.parameters()] == strides


@pytest.mark.slow
def test_a_loaded_backbone_fetches_no_weights_and_keeps_the_name_of_those_it_had(
    waveforms, labels, tmp_path, monkeypatch
):
    model = make_pipeline(mel(), net(ResNetClassifier, weights=None)).fit(waveforms, labels)
    model[-1].weights = "DEFAULT"
    save_model(model, tmp_path / "m.esc")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "nothing here"))
    loaded = load_model(tmp_path / "m.esc")
    assert loaded[-1].weights == "DEFAULT"
    np.testing.assert_array_equal(loaded.predict_proba(waveforms), model.predict_proba(waveforms))
    assert not (tmp_path / "nothing here").exists()


def test_loading_draws_no_random_numbers(small_net, tmp_path):
    import torch

    save_model(small_net, tmp_path / "m.esc")
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    load_model(tmp_path / "m.esc")
    assert torch.equal(torch.rand(2), expected)


MINE = """
import pathlib
pathlib.Path(__file__).with_suffix(".imported").write_text("")
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

def double(X):
    return 2 * X

class Log(TransformerMixin, BaseEstimator):
    def __init__(self, offset=1.0):
        self.offset = offset
    def fit(self, X, y=None):
        self.smallest_ = X.min()
        return self
    def transform(self, X):
        return np.log(X - self.smallest_ + self.offset)
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__("mine")
    sys.modules.pop("mine", None)


def test_a_class_of_a_user_is_asked_for_and_not_imported_before_it_is_trusted(mine, waveforms, labels, tmp_path):
    steps = mfcc(), FunctionTransformer(mine.double), mine.Log(2.0), StandardScaler(), LogisticRegression()
    model = make_pipeline(*steps).fit(waveforms, labels)
    save_model(model, tmp_path / "m.esc")
    (tmp_path / "mine.imported").unlink()
    sys.modules.pop("mine")
    with pytest.raises(ModelError, match=r"trusted=\['mine.Log', 'mine.double'\]"):
        load_model(tmp_path / "m.esc")
    with pytest.raises(ModelError, match=r"'mine.double'"):
        load_model(tmp_path / "m.esc", trusted=["mine.Log"])
    assert not (tmp_path / "mine.imported").exists()
    card = read_card(tmp_path / "m.esc")
    assert (card.categories, card.needs) == (["cat", "dog"], ["mine.Log", "mine.double"])
    assert "**Loads only if you trust:** mine.Log, mine.double" in card.text()
    with pytest.raises(ModelError, match=r"'mine.Log'"):
        load_model(tmp_path / "m.esc", trusted=["min", "mine.L", "mine.double"])
    assert not (tmp_path / "mine.imported").exists()
    load_model(tmp_path / "m.esc", trusted=["mine.Log", "mine.double"])
    loaded = load_model(tmp_path / "m.esc", trusted=["mine"])
    np.testing.assert_array_equal(loaded.predict_proba(waveforms), model.predict_proba(waveforms))
    assert (tmp_path / "mine.imported").exists()


def test_a_trusted_name_that_is_not_installed_says_what_to_do(mine, waveforms, labels, tmp_path):
    save_model(make_pipeline(mfcc(), mine.Log(), LogisticRegression()).fit(waveforms, labels), tmp_path / "m.esc")
    (tmp_path / "mine.py").unlink()
    sys.modules.pop("mine")
    with pytest.raises(ModelError, match="cannot be made: ModuleNotFoundError: No module named 'mine'"):
        load_model(tmp_path / "m.esc", trusted=["mine.Log"])


def test_what_has_no_lasting_name_is_refused_when_saved(waveforms, labels, tmp_path):
    model = make_pipeline(mfcc(), FunctionTransformer(lambda X: X), LogisticRegression()).fit(waveforms, labels)
    with pytest.raises(ModelError, match="module that can be imported"):
        save_model(model, tmp_path / "m.esc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "model",
    [make_pipeline(mfcc(), LogisticRegression()), make_pipeline(mel(), ConvNetClassifier()), StandardScaler()],
    ids=["pipeline", "net", "no classifier"],
)
def test_what_is_not_fitted_is_refused(model, tmp_path):
    with pytest.raises(ModelError, match="fit"):
        save_model(model, tmp_path / "m.esc")


def test_a_callback_that_writes_files_is_asked_for(waveforms, labels, tmp_path):
    model = make_pipeline(mel(), net(callbacks=[Checkpoint(dirname=str(tmp_path / "written"), monitor=None)]))
    model.fit(waveforms, labels)
    save_model(model, tmp_path / "m.esc")
    with pytest.raises(ModelError, match=r"skorch\.callbacks\.Checkpoint"):
        load_model(tmp_path / "m.esc")


def test_a_link_and_a_folder_are_left_alone_and_a_model_is_replaced_whole(small_net, tmp_path):
    (tmp_path / "target").write_text("mine")
    (tmp_path / "link.esc").symlink_to(tmp_path / "target")
    for name in ("link.esc", "."):
        with pytest.raises(ModelError, match="left alone"):
            save_model(small_net, tmp_path / name)
    assert (tmp_path / "target").read_text() == "mine"
    with pytest.raises(ModelError, match="cannot be written"):
        save_model(small_net, tmp_path / "no" / "m.esc")
    save_model(small_net, tmp_path / "m.esc")
    save_model(small_net, tmp_path / "m.esc")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.esc", "m.esc", "target"]


@pytest.mark.slow
def test_the_card_says_what_it_was_trained_on(tiny_store, tmp_path):
    store = open_store(tiny_store.path)
    X, y = store.audio[store.folds < 4], store.y[store.folds < 4]
    model = make_pipeline(MFCCStatistics(), StandardScaler(), LogisticRegression()).fit(X, y)
    net_model = make_pipeline(MelSpectrogram(), net(max_epochs=1)).fit(X, y)
    card = save_model(
        model, tmp_path / "pets.esc", store=store, figures={"accuracy": 0.8125}, licence="CC0", about="A test."
    )
    assert (card.name, card.dataset, card.licence, card.figures) == ("pets", "demo", "CC0", {"accuracy": 0.8125})
    assert card.categories == sorted(store.categories)
    assert (card.sample_rate, card.duration) == (44100, 5.0)
    assert len(card.store_id) == 32
    assert card == read_card(tmp_path / "pets.esc") == load_model(tmp_path / "pets.esc").card_
    text = card.text()
    for said in (
        "# pets",
        "A test.",
        "accuracy 0.812 (cross-validated)",
        "CC0",
        "LogisticRegression()",
        "scikit-learn",
    ):
        assert said in text
    assert zipfile.ZipFile(tmp_path / "pets.esc").read("card.md").decode() == text
    card = save_model(net_model, tmp_path / "net.esc")
    assert (card.folds, card.n_clips, card.n_sources) == ([1, 2, 3], len(y), len(set(X.sources)))
    assert "folds 1, 2, 3" in card.text()
    assert "not stated" in card.text()


@pytest.mark.slow
def test_the_card_knows_the_licence_of_an_official_data_set_and_of_weights(
    tiny_store, waveforms, labels, tmp_path, monkeypatch
):
    store = open_store(tiny_store.path)
    model = make_pipeline(EfficientNetLiteEmbedding(duration=0.5), LogisticRegression()).fit(waveforms, labels)
    card = save_model(model, tmp_path / "m.esc", store=store)
    assert card.licence == ""
    assert card.weights_licence == "EfficientNetLiteEmbedding: Apache-2.0"
    digest = _official._digest(store.clips)
    official = OfficialDataset("tiny", len(store), len(store.categories), (1,), digest, "CC BY 3.0")
    monkeypatch.setitem(OFFICIAL_DATASETS, "tiny", official)
    card = save_model(model, tmp_path / "m.esc", store=store)
    assert "**Licence of the data:** CC BY 3.0\n" in card.text()
    assert "**Licence of the pretrained weights:** EfficientNetLiteEmbedding: Apache-2.0\n" in card.text()
    assert save_model(model, tmp_path / "m.esc", store=store, licence="mine").licence == "mine"


def test_another_store_has_another_digest(write_store, small_net, tmp_path):
    one, same, other = (write_store(tmp_path / f"{n}", clips=n // 2) for n in (8, 9, 10))
    digests = [
        save_model(small_net, tmp_path / "m.esc", store=open_store(path)).store_id for path in (one, same, other)
    ]
    assert digests[0] == digests[1] != digests[2]
    moved = SimpleNamespace(clips=open_store(one).clips.assign(path="/somewhere/else"))
    assert _model_file._store_id(moved) == digests[0]


def test_the_card_is_read_without_torch_or_scikit_learn(small_net, tmp_path):
    save_model(small_net, tmp_path / "m.esc")
    code = (
        "import sys; from esc_features.deployment import read_card; print(read_card(sys.argv[1]));"
        "print(sorted({'torch', 'sklearn', 'pandas', 'skops'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "m.esc"], capture_output=True, text=True, check=True)
    assert "**Recognises** 2 categories in clips of 0.5 s at 16,000 Hz: cat, dog." in done.stdout
    assert done.stdout.endswith("[]\n")


def test_categories_name_the_classes(small_net, tmp_path):
    assert save_model(small_net, tmp_path / "m.esc", categories=["Katze", "Hund"]).categories == ["Katze", "Hund"]
    with pytest.raises(ModelError, match="3 categories were given, and the model has 2 classes"):
        save_model(small_net, tmp_path / "m.esc", categories=["a", "b", "c"])


def change(path, **entries):
    """Rewrite a model file with other entries; a dict is merged into model.json."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(contents["model.json"]) | entries
    contents["model.json"] = json.dumps(document).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def test_a_newer_format_asks_for_an_update(small_net, tmp_path):
    save_model(small_net, tmp_path / "m.esc")
    change(tmp_path / "m.esc", format_version=2)
    with pytest.raises(ModelError, match="has format 2, but this esc_features reads only 1 and earlier: update"):
        load_model(tmp_path / "m.esc")


def test_a_feature_that_is_another_by_now_is_refused(small_net, tmp_path, monkeypatch):
    save_model(small_net, tmp_path / "m.esc")
    monkeypatch.setattr(MelSpectrogram, "version", 99)
    with pytest.raises(ModelError, match="was trained on another MelSpectrogram"):
        load_model(tmp_path / "m.esc")


@pytest.mark.slow
def test_other_weights_of_an_embedding_are_refused(waveforms, labels, tmp_path):
    import torch
    from torchvision.models import resnet18

    for seed, name in enumerate(("one.pt", "two.pt")):
        torch.manual_seed(seed)
        torch.save(resnet18(weights=None).state_dict(), tmp_path / name)
    feature = ResNetEmbedding(weights=str(tmp_path / "one.pt"), duration=0.5)
    model = make_pipeline(feature, LogisticRegression()).fit(waveforms, labels)
    save_model(model, tmp_path / "m.esc")
    np.testing.assert_array_equal(
        load_model(tmp_path / "m.esc").predict_proba(waveforms), model.predict_proba(waveforms)
    )
    (tmp_path / "two.pt").replace(tmp_path / "one.pt")
    with pytest.raises(ModelError, match="was trained on another ResNetEmbedding"):
        load_model(tmp_path / "m.esc")


def test_other_versions_are_warned_of(small_net, tmp_path):
    save_model(small_net, tmp_path / "m.esc")
    document = json.loads(zipfile.ZipFile(tmp_path / "m.esc").read("model.json"))
    change(
        tmp_path / "m.esc", card={**document["card"], "versions": {**document["card"]["versions"], "torch": "1.0.0"}}
    )
    with pytest.warns(UserWarning, match=r"saved with torch 1\.0\.0 \(here"):
        load_model(tmp_path / "m.esc")
