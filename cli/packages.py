"""Checks that our top-level packages are our own: `agents`, `domain`, `tables` and the like are names that others use too."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

#: The worker's top-level packages without `cli`, which is running already when this is checked.
WORKER = ("agents", "domain", "gateway", "providers", "settings", "streams", "tables")
#: Packages that an installation may leave out, as the worker's image does.
OPTIONAL = ("compare", "demo", "simulator")
OWN = (*WORKER, *OPTIONAL)
_SIMULATOR = ("simulator", "python_multipart")
_DEMO = ("demo", "choix", "confluent_kafka", "matplotlib", "scipy", *_SIMULATOR)
#: What a command needs beyond the worker's packages and dependencies.
EXTRA = {"simulator": _SIMULATOR, "demo": _DEMO, "compare": ("compare", *_DEMO)}
DISTRIBUTION = "roundbatch"
REMEDY = "give roundbatch a virtual environment of its own, without other packages"


class ForeignPackage(Exception):
    """A package with the name of ours is foreign, or shared with another distribution; the message has the remedy."""


class CommandMissing(Exception):
    """A command needs packages that this installation leaves out; the message has the remedy."""


def check_command(name: str | None) -> None:
    """Make sure that what a command needs beyond the worker is installed; None and other names need nothing more.

    Errors: CommandMissing.
    """
    missing = [package for package in EXTRA.get(name or "", ()) if importlib.util.find_spec(package) is None]
    if missing:
        raise CommandMissing(
            f"roundbatch {name} needs {', '.join(missing)}, which this installation leaves out: run it from a checkout "
            "(make demo installs all), or the simulator from its image (docker build --target simulator)"
        )


def check_own_packages(root: Path | None = None) -> None:
    """Make sure that each of our packages is found beside `cli`, and that no other distribution has files in it.

    Those of OPTIONAL may be missing; a foreign one in their place is refused too, for `roundbatch demo` would run it.

    This imports nothing. It is to be called before anything of ours outside `cli` is imported: a foreign `agents` would run
    first, and its error (or worse, its success) would say nothing of the cause.

    Errors: ForeignPackage.
    """
    home = (root or Path(__file__).parents[1]).resolve()
    for name in OWN:
        found = _where(name)
        if found is None and name in OPTIONAL:
            continue
        if found is None:
            raise ForeignPackage(f"package {name} of roundbatch is missing beside {home / 'cli'}: install roundbatch again")
        if found != home / name:
            raise ForeignPackage(f"package {name} is found at {found}, which is not roundbatch's own ({home / name}): {REMEDY}")
    for name, other in _shared(home):
        raise ForeignPackage(f"package {name} at {home / name} is shared with the distribution {other}: {REMEDY}")


def _where(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:
        # A module that is loaded without a spec: put into sys.modules by hand.
        return Path("sys.modules")
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return Path(spec.origin or "built-in")


def _shared(home: Path) -> Iterator[tuple[str, str]]:
    """Yield our packages into which another distribution was installed.

    In one site-packages both write into the same folder, the later one over the earlier, so that the folder alone looks right.
    """
    import importlib.metadata  # loads the parser of mail; --help does not come here

    for distribution in importlib.metadata.distributions(path=[str(home)]):
        other = distribution.metadata["Name"]
        if other == DISTRIBUTION:
            continue
        tops = {Path(file).parts[0] for file in distribution.files or ()}
        for name in OWN:
            if name in tops:
                yield name, other
