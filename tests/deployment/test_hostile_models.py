"""Files that lie, allocate, escape or bring code: each is refused with a ModelError before any of it happens."""

import contextlib
import io
import json
import struct
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from esc_features import MFCCStatistics, load_model, save_model
from esc_features.deployment import read_card
from esc_features.exceptions import ModelError


@pytest.fixture(scope="module")
def saved(small_net, tmp_path_factory):
    """Entries of a model file: a net, and a part of scikit-learn."""
    path = tmp_path_factory.mktemp("models") / "m.esc"
    save_model(small_net, path)
    return entries_of(path)


@pytest.fixture(scope="module")
def saved_part(waveforms, labels, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "m.esc"
    model = make_pipeline(MFCCStatistics(sample_rate=16000, duration=0.5), LogisticRegression())
    save_model(model.fit(waveforms, labels), path)
    return entries_of(path)


def entries_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(entries, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def forged(saved, **changes):
    """A model file with another document: each change is a function of it, or a value."""
    document = json.loads(saved["model.json"])
    for name, change in changes.items():
        document[name] = change(document[name]) if callable(change) else change
    return zipped({**saved, "model.json": json.dumps(document).encode()})


def load_bytes(content, folder, **options):
    path = folder / "forged.esc"
    path.write_bytes(content)
    try:
        return load_model(path, **options)
    except ModelError as error:
        assert str(path) in str(error), "which file it is, is not said"
        raise


def steps(document):
    """Nodes of the steps of a pipeline, by name."""
    return {step["tuple"][0]: step["tuple"][1] for step in document["object"]["fitted"]["steps"]}


@pytest.mark.parametrize("name", ["../out", "/etc/x", "a/../../b", "C:\\x", "C:x", "a\\b", "a//b", "parts/", "x\n"])
def test_names_that_leave_the_zip_are_refused(saved, tmp_path, name):
    with pytest.raises(ModelError, match=r"which no model has|is damaged or not a model"):
        load_bytes(zipped({**saved, name: b""}), tmp_path)


def test_a_zip_bomb_is_refused(saved, tmp_path):
    with pytest.raises(ModelError, match="compressed"):
        load_bytes(zipped({**saved, "parts/0.skops": bytes(10**7)}, zipfile.ZIP_DEFLATED), tmp_path)


def test_entries_that_overlap_are_refused(tmp_path):
    content = bytearray(zipped({"model.json": b"{}" + b" " * 1000, "b": b"1"}))
    # Both directory entries point to the large one.
    at = content.rindex(b"PK\x01\x02")
    struct.pack_into(
        "<III", content, at + 16, struct.unpack_from("<I", content, content.index(b"PK\x01\x02") + 16)[0], 1002, 1002
    )
    struct.pack_into("<I", content, at + 42, 0)
    with pytest.raises(ModelError, match=r"overlap|damaged"):
        load_bytes(bytes(content), tmp_path)


def test_links_and_doubled_names_are_refused(saved, tmp_path):
    link = zipfile.ZipInfo("parts/0.skops")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO(zipped(saved))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ModelError, match="is a link"):
        load_bytes(buffer.getvalue(), tmp_path)
    buffer = io.BytesIO(zipped(saved))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("model.json", "{}")
    with pytest.raises(ModelError, match=r"holds 'model.json' twice"):
        load_bytes(buffer.getvalue(), tmp_path)


def test_a_model_that_another_program_zipped_again_loads(saved, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in saved.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    assert load_bytes(buffer.getvalue(), tmp_path).card_.name == "m"


@pytest.mark.parametrize(
    "content", [b"", b"not a zip", zipped({}), zipped({"model.json": b"[]"}), zipped({"model.json": b"{"})]
)
def test_what_is_no_model_is_named(content, tmp_path):
    with pytest.raises(ModelError, match=r"forged\.esc"):
        load_bytes(content, tmp_path)
    with pytest.raises(ModelError, match=r"forged\.esc"):
        read_card(tmp_path / "forged.esc")


def test_numbers_that_json_does_not_have_are_refused(saved, tmp_path):
    content = saved["model.json"].replace(b'"duration": 0.5', b'"duration": NaN', 1)
    assert content != saved["model.json"]
    with pytest.raises(ModelError, match="holds NaN, which is not JSON"):
        load_bytes(zipped({**saved, "model.json": content}), tmp_path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.esc", tmp_path):
        with pytest.raises(ModelError, match="There is no model file"):
            load_model(path)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "subprocess.Popen",
        "esc_features.datasets.fetch_esc50",
        "torch.hub.load",
        "torch.nn.os",
        "builtins.eval",
    ]
    + ["torch.utils.cpp_extension.load", "sklearn.datasets.fetch_openml", "skorch.callbacks.TensorBoard", "this.s"],
)
def test_names_of_other_code_are_listed_and_never_imported(saved, tmp_path, name):
    def plant(model):
        steps(model)["convnetclassifier"]["net"]["parameters"]["criterion"] = {"class": name}
        return model

    with pytest.raises(ModelError, match="asks for code that is not known to be harmless.*" + name):
        load_bytes(forged(saved, model=plant), tmp_path)
    assert "this" not in sys.modules


def test_a_class_of_ours_in_a_wrong_place_is_refused(saved, tmp_path):
    for name in ("esc_features.models.ConvNet", "torch.nn.Linear", "esc_features.models.ConvNetClassifier"):

        def plant(model, name=name):
            parameters = {"in_features": 10**6, "out_features": 10**6} if name.startswith("torch") else {}
            model["object"]["fitted"]["memory"] = {"object": {"class": name, "parameters": parameters, "fitted": {}}}
            return model

        with pytest.raises(ModelError, match="in a way that save_model does not"):
            load_bytes(forged(saved, model=plant), tmp_path)


def test_methods_cannot_be_replaced(saved, tmp_path):
    def plant(model):
        model["object"]["fitted"]["predict"] = "mine"
        return model

    with pytest.raises(ModelError, match="replaces methods"):
        load_bytes(forged(saved, model=plant), tmp_path)

    def plant_in_a_step(model):
        steps(model)["standardizer"]["object"]["fitted"]["transform"] = "mine"
        return model

    with pytest.raises(ModelError, match="which fitting it does not"):
        load_bytes(forged(saved, model=plant_in_a_step), tmp_path)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("module__input_shape", {"tuple": [10**5, 10**5]}),
        ("module__n_classes", 10**9),
        ("criterion__weight", {"array": "none"}),
    ],
)
def test_a_network_larger_than_its_file_allocates_nothing(saved, tmp_path, parameter, value):
    def plant(model):
        steps(model)["convnetclassifier"]["net"]["parameters"][parameter] = value
        return model

    with pytest.raises(ModelError, match=r"would need|lacks the tensor|are not those"):
        load_bytes(forged(saved, model=plant), tmp_path)


def test_a_criterion_that_would_fill_the_memory_is_refused(saved, tmp_path):
    def plant(model):
        parameters = steps(model)["convnetclassifier"]["net"]["parameters"]
        parameters["criterion"] = {"class": "torch.nn.Bilinear"}
        parameters |= {
            "criterion__in1_features": 10**5,
            "criterion__in2_features": 10**5,
            "criterion__out_features": 99,
        }
        return model

    with pytest.raises(ModelError, match="The criterion would need 3,960,000,000,396 bytes"):
        load_bytes(forged(saved, model=plant), tmp_path)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("duration", 10**9), ("n_mels", 10**9), ("hop_length", 0), ("sample_rate", "loud"), ("n_fft", 2**40)],
)
def test_a_feature_that_would_fill_the_memory_is_refused(saved, tmp_path, parameter, value):
    def plant(model):
        steps(model)["melspectrogram"]["object"]["parameters"][parameter] = value
        return model

    with pytest.raises(ModelError, match=r"would compute|has impossible parameters"):
        load_bytes(forged(saved, model=plant), tmp_path)


def test_tensors_of_another_shape_are_named(saved, tmp_path):
    from safetensors.numpy import load, save

    tensors = load(saved["tensors.safetensors"])
    name = next(name for name in tensors if name.endswith("linear.weight"))
    tensors[name] = tensors[name][:, :-1].copy()
    with pytest.raises(ModelError, match=r"linear\.weight differs in name or shape"):
        load_bytes(zipped({**saved, "tensors.safetensors": save(tensors)}), tmp_path)
    del tensors[name]
    with pytest.raises(ModelError, match=r"linear\.weight differs in name or shape"):
        load_bytes(zipped({**saved, "tensors.safetensors": save(tensors)}), tmp_path)


def test_a_safetensors_header_that_lies_is_refused(saved, tmp_path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [10**10], "data_offsets": [0, 4]}}).encode()
    with pytest.raises(ModelError, match=r"tensors\.safetensors"):
        load_bytes(
            zipped({**saved, "tensors.safetensors": struct.pack("<Q", len(header)) + header + b"1234"}), tmp_path
        )


def inner(saved_part, change):
    """The model file, with one entry of its part changed by a function of (name, content)."""
    with zipfile.ZipFile(io.BytesIO(saved_part["parts/0.skops"])) as archive:
        entries = {name: change(name, archive.read(name)) for name in archive.namelist()}
    return zipped({**saved_part, "parts/0.skops": zipped(entries)})


def test_an_array_that_lies_about_its_shape_allocates_nothing(saved_part, tmp_path):
    def lie(name, content):
        if not content.startswith(b"\x93NUMPY"):
            return content
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (10**9, 10)})
        return buffer.getvalue() + b"12345678"

    with pytest.raises(ModelError, match="does not fit the bytes"):
        load_bytes(inner(saved_part, lie), tmp_path)
    # Whatever the entry is called.
    with zipfile.ZipFile(io.BytesIO(saved_part["parts/0.skops"])) as archive:
        entries = {name: lie(name, archive.read(name)) for name in archive.namelist()}
    renamed = {name.replace(".npy", ".txt"): content.replace(b".npy", b".txt") for name, content in entries.items()}
    with pytest.raises(ModelError, match="does not fit the bytes"):
        load_bytes(zipped({**saved_part, "parts/0.skops": zipped(renamed)}), tmp_path)


def test_an_array_whose_header_ends_within_is_named(saved_part, tmp_path):
    def cut(name, content):
        return content.replace(b"}", b" ") if content.startswith(b"\x93NUMPY") else content

    with pytest.raises(ModelError, match="is not an array"):
        load_bytes(inner(saved_part, cut), tmp_path)


def test_a_part_that_names_other_code_is_refused(saved_part, tmp_path):
    def plant(name, content):
        return content.replace(b'"LogisticRegression"', b'"system"').replace(
            b'"sklearn.linear_model._logistic"', b'"os"'
        )

    with pytest.raises(ModelError, match=r"asks for code .*'os\.system'"):
        load_bytes(inner(saved_part, plant), tmp_path)


def test_a_compressed_bomb_within_a_part_is_refused(saved_part, tmp_path):
    bomb = zipped({"data.npy": bytes(3 * 10**7)}, zipfile.ZIP_DEFLATED)

    def plant(name, content):
        return bomb if content.startswith(b"\x93NUMPY") else content

    with pytest.raises(ModelError, match="zip bomb"):
        load_bytes(inner(saved_part, plant), tmp_path)


def test_trees_whose_nodes_point_beyond_them_are_refused(waveforms, labels, tmp_path):
    model = make_pipeline(MFCCStatistics(sample_rate=16000, duration=0.5), RandomForestClassifier(3, random_state=0))
    save_model(model.fit(waveforms, labels), tmp_path / "m.esc")
    nodes = model[-1].estimators_[0].tree_.__getstate__()["nodes"]
    for field, value in (("left_child", 10**6), ("right_child", 0), ("feature", 10**6), ("left_child", -5)):

        def plant(name, content, field=field, value=value):
            if not content.startswith(b"\x93NUMPY"):
                return content
            array = np.load(io.BytesIO(content))
            if array.dtype != nodes.dtype:
                return content
            array[field][0] = value
            buffer = io.BytesIO()
            np.save(buffer, array)
            return buffer.getvalue()

        with pytest.raises(ModelError, match="point outside it"):
            load_bytes(inner(entries_of(tmp_path / "m.esc"), plant), tmp_path)


def test_a_support_vector_machine_whose_arrays_do_not_fit_is_refused(waveforms, labels, tmp_path):
    model = make_pipeline(MFCCStatistics(sample_rate=16000, duration=0.5), SVC()).fit(waveforms, labels)
    for name in ("support_vectors_", "_n_support", "_intercept_", "_dual_coef_", "support_"):
        original = getattr(model[-1], name)
        setattr(model[-1], name, np.ascontiguousarray(np.concatenate([original] * 3, axis=-1)))
        save_model(model, tmp_path / "m.esc")
        setattr(model[-1], name, original)
        with pytest.raises(ModelError, match="do not fit together"):
            load_model(tmp_path / "m.esc")


KEYS = ["tuple", "dict", "bunch", "float", "number", "dtype", "array", "strings", "class", "object", "net", "part"]
KEYS += ["parameters", "fitted", "state"]
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
plain = st.recursive(
    leaves,
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inside, max_size=3)
    ),
    max_leaves=8,
)


def places(value, path=()):
    """Every place in a document."""
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*path, key))


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_the_document_is_refused_or_loads(saved, tmp_path, data):
    document = json.loads(saved["model.json"])
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from([place for place in places(document) if place]))
        at = document
        for key in path:
            at = at[key]
        at[last] = data.draw(plain)
    try:
        load_bytes(zipped({**saved, "model.json": json.dumps(document).encode()}), tmp_path)
    except ModelError as error:
        assert str(error).endswith((".", "]", ")", "?")) or "forged.esc" in str(error)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_bytes_is_refused_or_loads(saved_part, tmp_path, data):
    """Of the file, of an entry, or of an entry of a part: the checksums of the zips around it are right again."""

    def changed(entries, depth):
        if depth == 0:
            return _changed(zipped(entries), data)
        name = data.draw(st.sampled_from(sorted(entries)))
        content = entries[name]
        if depth == 2 and content.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                content = changed({each: archive.read(each) for each in archive.namelist()}, 1)
        else:
            content = _changed(content, data)
        return zipped({**entries, name: content})

    with contextlib.suppress(ModelError):
        load_bytes(changed(saved_part, data.draw(st.integers(0, 2))), tmp_path)


def _changed(content, data):
    content = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        length, put = data.draw(
            st.one_of(
                st.tuples(st.just(1), st.binary(min_size=1, max_size=1)),  # set
                st.tuples(st.integers(1, 100), st.just(b"")),  # cut
                st.tuples(st.just(0), st.binary(max_size=20)),  # insert
            )
        )
        content[at : at + length] = put
    return bytes(content)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=plain)
@example(value={"object": {"class": "sklearn.pipeline.Pipeline", "parameters": {}, "fitted": {"steps": 3}}})
@example(value={"net": {"class": "esc_features.models.ConvNetClassifier", "parameters": {}, "fitted": {}, "state": 3}})
@example(value={"number": ["O", 3]})
@example(value={"_getattribute__": "granted"})
@example(value={"parsed": {"class": "sklearn.pipeline.Pipeline", "parameters": {}, "fitted": {}}})
@example(value={"strings": ["<U99999999", ["a"]]})
def test_any_document_is_refused(saved, tmp_path, value):
    with pytest.raises(ModelError):
        load_bytes(forged(saved, model=value), tmp_path)


def test_nesting_beyond_any_estimator_is_refused(saved, tmp_path):
    deep = "[" * 5000 + "]" * 5000
    document = json.loads(saved["model.json"])
    text = json.dumps({**document, "model": "HERE"}).replace('"HERE"', deep)
    with pytest.raises(ModelError, match=r"nested deeper|damaged"):
        load_bytes(zipped({**saved, "model.json": text.encode()}), tmp_path)
