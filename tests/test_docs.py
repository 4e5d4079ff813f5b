"""The pages of the site: what is shown as code runs and prints what is shown, and every page is reached."""

import ast
import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOMS = ["audio", "datasets", "deployment", "evaluation", "extraction", "features", "models", "plotting", "store"]
ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)


def pages_with_code():
    return [path.relative_to(ROOT).as_posix() for path in PAGES if "```pycon" in path.read_text(encoding="utf-8")]


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with_code())
@pytest.mark.filterwarnings("ignore")
def test_code_runs_and_prints_what_is_shown(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESC_FEATURES_DATA", str(tmp_path / "data"))
    blocks = re.findall(r"^```pycon\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page, page, 0)
    said = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).run(test, out=said.append)
    assert not said, "".join(said)


def test_the_reference_lists_every_public_name():
    page = (ROOT / "docs/reference/index.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   (\w[\w.]*)$", page, re.M))
    missing = []
    for room in ROOMS:
        module = importlib.import_module(f"esc_features.{room}")
        for name in module.__all__:
            is_value = name.isupper() or not callable(getattr(module, name))
            if not is_value and not {name, f"{room}.{name}", f"plotting.{name}"} & listed:
                missing.append(f"{room}.{name}")
    # For other rooms of the package, not for users.
    missing = sorted(set(missing) - {"datasets.leaves_folder"})
    assert not missing, f"docs/reference/index.rst does not list {', '.join(missing)}."


def texts_of_the_package():
    for path in sorted((ROOT / "esc_features").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_messages_that_are_explained_are_messages_of_the_package():
    page = (ROOT / "docs/guide/trouble.md").read_text(encoding="utf-8")
    cells = [cell for row in re.findall(r"^\| (.*?) \|", page, re.M) for cell in re.findall(r'"([^"]+)"', row)]
    texts = "\n".join(texts_of_the_package())
    quoted = [re.sub(r"\d+", "…", cell).replace("fold 1", "fold …") for cell in cells]
    unknown = [cell for cell in quoted if cell not in texts and cell != "none of these"]
    assert not unknown, f"docs/guide/trouble.md quotes what no message says: {unknown}"
    assert len(cells) > 8
