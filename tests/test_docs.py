"""The pages: code runs and prints what is shown, commands are accepted, links lead somewhere, names are listed."""

import ast
import doctest
import importlib
import pkgutil
import re
import shlex
import tomllib
from pathlib import Path

import pytest

import esc_features
from esc_features import _cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
# Public names that only other rooms of the package use.
FOR_OTHER_ROOMS = {
    *("audio.is_url", "datasets.leaves_folder"),
    *("evaluation.fit_method", "store.Sounds", "store.holds_waveforms"),
}
# Blocks that need what a test cannot have: a cluster.
NOT_RUN = {"docs/guide/clusters.md"}


def blocks(path, language):
    found = re.findall(r"^```([\w{}]*)[^\n]*\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)
    return [text for kind, text in found if kind == language]


def pages_with_code():
    return [path.relative_to(ROOT).as_posix() for path in PAGES if blocks(path, "pycon")]


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with_code())
@pytest.mark.filterwarnings("ignore")
def test_code_runs_and_prints_what_is_shown(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESC_FEATURES_DATA", str(tmp_path / "data"))
    test = doctest.DocTestParser().get_doctest("\n".join(blocks(ROOT / page, "pycon")), {}, page, page, 0)
    said = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).run(test, out=said.append)
    assert not said, "".join(said)


@pytest.mark.slow
def test_the_code_of_the_readme_runs(tiny_store, tmp_path, monkeypatch, capsys):
    (code,) = blocks(ROOT / "README.md", "python")
    (tmp_path / "stores").mkdir()
    (tmp_path / "stores/demo").symlink_to(tiny_store.path)
    (tmp_path / "my_dog.wav").symlink_to(tiny_store.clips["path"][0])
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace("max_epochs=10", "max_epochs=1"), "README.md", "exec"), {})
    scores, prediction = capsys.readouterr().out.rstrip().rsplit("\n", 1)
    assert re.fullmatch(r"\[[\d. ]+\]", scores.splitlines()[-1])
    assert prediction.strip("[]'") in tiny_store.categories
    assert code in blocks(ROOT / "docs/index.md", "python")


def test_all_other_code_of_the_site_runs_too():
    unrun = {path.relative_to(ROOT).as_posix() for path in PAGES if blocks(path, "python")}
    assert unrun - {"docs/index.md"} == NOT_RUN


def test_recipes_of_the_site_can_be_read(tmp_path):
    from esc_features.features import make_features

    (recipe,) = (text for path in PAGES for text in blocks(path, "toml"))
    (tmp_path / "recipe.toml").write_text(recipe)
    assert list(make_features(recipe=tmp_path / "recipe.toml")) == list(tomllib.loads(recipe)["features"])


def commands():
    """Yield the words of each command line in a code block."""
    for path in [ROOT / "README.md", *PAGES]:
        for block in blocks(path, ""):
            for line in block.splitlines():
                _, found, arguments = line.partition("extract_features ")
                words = ["extract", *shlex.split(arguments, comments=True)] if found else []
                if line.startswith("esc_features "):
                    words = shlex.split(line, comments=True)[1:]
                if words:
                    yield pytest.param(words, id=f"{path.name}: {line[:60]}")


@pytest.mark.parametrize("words", list(commands()))
def test_commands_are_accepted(words):
    parser = _cli._Parser()
    importlib.import_module(f"esc_features._commands.{words[0]}").add_arguments(parser)
    parser.parse_args(words[1:])


def test_links_lead_somewhere():
    broken = []
    others = [path for folder in ("benchmarks", "examples", "stores", "tests") for path in (ROOT / folder).glob("*.md")]
    for page in [*ROOT.glob("*.md"), *PAGES, *others]:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            name, _, anchor = target.partition("#")
            if re.match(r"\w+:", name):
                continue
            path = (page.parent / name) if name else page
            if "gallery" in path.parts:
                path = ROOT / "examples" / (path.name + ".py" if path.name != "index" else "GALLERY_HEADER.txt")
            elif not path.exists():
                path = next((path.with_name(path.name + end) for end in (".md", ".rst")), path)
                path = path if path.exists() else path.with_suffix(".rst")
            if not path.exists() or (anchor and anchor not in anchors(path)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken, broken


def anchors(path):
    for title in re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M):
        yield re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_the_reference_lists_every_public_name():
    page = (ROOT / "docs/reference/index.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   (\w[\w.]*)$", page, re.M))
    missing = []
    for module in pkgutil.iter_modules(esc_features.__path__):
        if module.name.startswith("_") or module.name == "storage":  # storage is for other rooms of the package
            continue
        room = importlib.import_module(f"esc_features.{module.name}")
        own = [name for name, value in vars(room).items() if getattr(value, "__module__", None) == room.__name__]
        for name in getattr(room, "__all__", own):
            is_value = name.isupper() or name.startswith("_") or not callable(getattr(room, name))
            if not is_value and not {name, f"{module.name}.{name}", f"plotting.{name}"} & listed:
                missing.append(f"{module.name}.{name}")
    missing = sorted(set(missing) - FOR_OTHER_ROOMS)
    assert not missing, f"docs/reference/index.rst does not list {', '.join(missing)}."


def texts_of_the_package():
    for path in sorted((ROOT / "esc_features").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@pytest.mark.slow
def test_messages_that_are_explained_are_messages_of_the_package():
    page = (ROOT / "docs/guide/trouble.md").read_text(encoding="utf-8")
    cells = [cell for row in re.findall(r"^\| (.*?) \|", page, re.M) for cell in re.findall(r'"([^"]+)"', row)]
    texts = "\n".join(texts_of_the_package())
    quoted = [re.sub(r"\d+", "…", cell).replace("fold 1", "fold …") for cell in cells]
    unknown = [cell for cell in quoted if cell not in texts]
    assert not unknown, f"docs/guide/trouble.md quotes what no message says: {unknown}"
    assert len(cells) > 8
