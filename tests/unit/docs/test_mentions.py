"""What pages, comments and docstrings point to exists: pages with their headings, files, modules."""

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TEXTS = (".py", ".md", ".yml", ".yaml", ".toml", ".html", ".sh", ".cfg", ".tpl")
FOLDERS = "agents|bench|cli|compare|demo|deploy|docs|domain|gateway|providers|settings|simulator|streams|tables|tests"

PAGE = re.compile(r"([\w./-]*[\w-]\.md)(?:#([\w-]+))?")
ANCHOR_HERE = re.compile(r"\]\(#([\w-]+)\)")
FILE = re.compile(rf"(?<![\w./-])(?:{FOLDERS})/[\w./-]*\w\.(?:py|html|json|yml|jsonl)\b")
MODULE = re.compile(
    r"(?<![\w./-])((?:agents|bench|cli|compare|domain|gateway|providers|simulator|streams|tables|tests)\.(?!md\b)[a-z_]+)(?:\.[\w.]+)?"
)
IMPORT = re.compile(r"^ *(?:from [\w.]+ import .*|import [\w.]+)$", re.MULTILINE)
# Named, and not ours to be read: what a test writes, a module of Faust, values of the Helm chart.
NO_PAGES = {"01.md", "NN.md"}
NO_MODULES = {"streams.py", "gateway.enabled", "gateway.service"}


def tracked() -> list[Path]:
    """The text files that are in the repository, or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).suffix in TEXTS and path.is_file()]


@cache
def headings(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found)


def mentions(pattern: re.Pattern[str], *, in_prose: bool = False) -> Iterator[tuple[Path, int, re.Match[str]]]:
    """Where a pattern occurs, but for this file; in_prose: of Python in comments, docstrings, and lines that import.

    A file is parsed only where the pattern occurs elsewhere than in such lines: parsing all takes four seconds.
    """
    for path in tracked():
        text = path.read_text()
        if path == Path(__file__) or not pattern.search(text):
            continue
        lines: Iterable[tuple[int, str]] = enumerate(text.splitlines(), start=1)
        if in_prose and path.suffix == ".py":
            numbered = list(lines)
            lines = [each for each in numbered if IMPORT.match(each[1])]
            if pattern.search(IMPORT.sub("", text)):
                lines = [*lines, *prose(text)]
        for number, line in lines:
            for match in pattern.finditer(line):
                yield path, number, match


def prose(source: str) -> Iterator[tuple[int, str]]:
    """The comments and docstrings of a module, line by line."""
    for number, line in enumerate(source.splitlines(), start=1):
        if (comment := re.search(r"(?:^|  )#(.*)", line)) is not None:
            yield number, comment[1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body
            if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
                for more, line in enumerate(str(body[0].value.value).splitlines()):
                    yield body[0].lineno + more, line


def at(path: Path, number: int, said: str) -> str:
    return f"{path.relative_to(ROOT)}:{number} names {said}"


def test_every_page_that_is_named_exists_with_its_heading() -> None:
    wrong = []
    for path, number, match in mentions(PAGE):
        name, anchor, before = match[1], match[2], match.string[: match.start()]
        if name in NO_PAGES or "://" in before.rpartition(" ")[2]:
            continue
        places = [ROOT / name]
        if path.suffix == ".md":
            places.append(path.parent / name)
        elif before.endswith('"docs" / "'):
            places.append(ROOT / "docs" / name)
        page = next((place.resolve() for place in places if place.is_file()), None)
        if page is None:
            wrong.append(at(path, number, f"{name}, which does not exist"))
        elif anchor is not None and anchor not in headings(page):
            wrong.append(at(path, number, f"{name}#{anchor}: the page has no such heading"))
    assert not wrong, "\n".join(wrong)


def test_every_heading_that_a_page_links_to_in_itself_exists() -> None:
    links = mentions(ANCHOR_HERE)
    wrong = [at(path, number, f"#{match[1]}") for path, number, match in links if match[1] not in headings(path)]
    assert not wrong, "\n".join(wrong)


def test_every_file_that_is_named_exists() -> None:
    wrong = [at(path, number, match[0]) for path, number, match in mentions(FILE) if not (ROOT / match[0]).exists()]
    assert not wrong, "\n".join(wrong)


def test_every_module_that_a_text_names_exists() -> None:
    wrong = []
    for path, number, match in mentions(MODULE, in_prose=True):
        module = ROOT / match[1].replace(".", "/")
        if match[1] not in NO_MODULES and not (module.is_dir() or module.with_suffix(".py").is_file()):
            wrong.append(at(path, number, match[1]))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=lambda page: page.name)
def test_every_page_can_be_reached(page: Path) -> None:
    """From the README, CONTRIBUTING or another page."""
    others = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(other for other in ROOT.glob("docs/**/*.md") if other != page)]
    assert any(page.name in other.read_text() for other in others)
