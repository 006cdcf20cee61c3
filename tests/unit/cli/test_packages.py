"""Start-up refuses packages of our names that are not ours."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import packages
from cli.main import app

Shadow = Callable[..., Path]


@pytest.fixture
def shadow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shadow:
    """Puts a folder with packages of the given names before everything else on the path."""

    def put(*names: str, initial: bool = True) -> Path:
        for name in names:
            (tmp_path / name).mkdir()
            if initial:
                (tmp_path / name / "__init__.py").write_text("raise RuntimeError('imported')\n")
            for module in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
                monkeypatch.delitem(sys.modules, module)
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        return tmp_path

    return put


def test_our_own_are_accepted() -> None:
    packages.check_own_packages()


@pytest.mark.parametrize("name", packages.OWN)
def test_a_foreign_package_is_named_with_its_place_and_the_remedy(shadow: Shadow, name: str) -> None:
    place = shadow(name)
    with pytest.raises(packages.ForeignPackage) as caught:
        packages.check_own_packages()
    assert f"package {name} is found at {place / name}" in str(caught.value)
    assert packages.REMEDY in str(caught.value)
    assert name not in sys.modules


def test_a_folder_without_init_does_not_shadow_ours(shadow: Shadow) -> None:
    shadow("agents", initial=False)
    packages.check_own_packages()


def test_a_foreign_module_file_is_found_too(shadow: Shadow, monkeypatch: pytest.MonkeyPatch) -> None:
    place = shadow()
    (place / "tables.py").write_text("")
    monkeypatch.delitem(sys.modules, "tables", raising=False)
    with pytest.raises(packages.ForeignPackage, match=r"tables\.py"):
        packages.check_own_packages()


def test_a_package_that_the_image_leaves_out_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "OPTIONAL", ("no_such_package_of_ours",))
    monkeypatch.setattr(packages, "OWN", (*packages.WORKER, "no_such_package_of_ours"))
    packages.check_own_packages()


def test_a_command_whose_packages_are_left_out_says_which_and_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(packages.EXTRA, "simulator", ("simulator", "no_such_server"))
    result = CliRunner().invoke(app, ["simulator"])
    assert result.exit_code == 78
    assert result.stderr.startswith("roundbatch simulator needs no_such_server, which this installation leaves out: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [None, "worker", *packages.EXTRA])
def test_a_checkout_has_all_that_its_commands_need(command: str | None) -> None:
    packages.check_command(command)
    assert set(packages.EXTRA) <= {registered.name for registered in app.registered_commands}


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "OWN", ("no_such_package_of_ours",))
    with pytest.raises(packages.ForeignPackage, match="no_such_package_of_ours of roundbatch is missing"):
        packages.check_own_packages(tmp_path)


def test_a_package_that_another_distribution_writes_into_is_refused(shadow: Shadow) -> None:
    place = shadow(*packages.OWN)
    for name in ("openai_agents-1.0", "roundbatch-0.1.0"):
        info = place / f"{name}.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name.split('-')[0].replace('_', '-')}\nVersion: 1\n"
        )
        info.joinpath("RECORD").write_text("agents/__init__.py,,\nagents/tool.py,,\n")
    with pytest.raises(packages.ForeignPackage, match=r"agents at .* is shared with the distribution openai-agents"):
        packages.check_own_packages(place)


def test_the_command_stops_before_it_imports_anything_of_ours(shadow: Shadow) -> None:
    shadow("streams")
    result = CliRunner().invoke(app, ["config"])
    assert result.exit_code == 78
    assert result.stderr.startswith("package streams is found at ")
    assert result.stderr.count("\n") == 1
