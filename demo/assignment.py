"""An assignment and its essays, as a folder of `examples/essays/` holds them."""

import re
import tomllib
import uuid
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "essays"

_QUALITY = re.compile(r"\[quality:(\d\.\d+)\]")
_NAMESPACE = uuid.UUID("0a3c5d52-6c34-5f6e-8a43-2d1f0f3b9c11")


@dataclass(frozen=True, slots=True)
class Essay:
    """One student's text. `quality`, 0 to 1, is what the ranking has to find; the simulator's judge reads it in the text."""

    id: str
    name: str
    text: str
    quality: float


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the students were asked, what counts, and what they wrote."""

    title: str
    task: str
    criteria: str
    judge_instructions: str
    essays: tuple[Essay, ...]


def load(folder: Path, most: int | None = None) -> Assignment:
    """Read `assignment.toml` and the essays, `NN.md`, in the order of their numbers; of these the first `most`, or all.

    Errors: FileNotFoundError; ValueError for an essay without its quality, or a folder with fewer than two.
    """
    told = tomllib.loads((folder / "assignment.toml").read_text(encoding="utf-8"))
    essays = tuple(_essay(path) for path in sorted(folder.glob("[0-9]*.md"))[:most])
    if len(essays) < 2:
        raise ValueError(f"{folder} holds {len(essays)} essays (NN.md); a comparison needs two")
    return Assignment(
        title=told["title"].strip(),
        task=told["task"].strip(),
        criteria=told["criteria"].strip(),
        judge_instructions=told["judge_instructions"].strip(),
        essays=essays,
    )


def _essay(path: Path) -> Essay:
    text = path.read_text(encoding="utf-8").strip()
    found = _QUALITY.search(text)
    if found is None:
        raise ValueError(f"{path} has no line [quality:0.NN]: there would be no order to compare the ranking with")
    # The same id on every machine: the simulator's judge draws its errors by ids.
    identity = uuid.uuid5(_NAMESPACE, f"{path.parent.name}/{path.stem}")
    return Essay(id=str(identity), name=path.stem, text=text, quality=float(found[1]))
