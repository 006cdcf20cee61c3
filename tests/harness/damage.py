"""Damage to a store on disk: what a bad sector, a cut-off copy or a full disk leave behind."""

from pathlib import Path


def sst_files(store: Path) -> list[Path]:
    """The files of a RocksDB folder that hold entries."""
    return sorted(store.glob("*.sst"))


def flip_a_block(store: Path, at: int = 100, size: int = 50) -> None:
    """Turn bytes over in the first data block of every file: they hold entries still, but their checksums do not fit."""
    files = sst_files(store)
    assert files, f"{store} holds no file with entries"
    for file in files:
        data = bytearray(file.read_bytes())
        start = at % len(data)  # a negative one counts from the end
        data[start : start + size] = bytes(byte ^ 0xFF for byte in data[start : start + size])
        file.write_bytes(data)


def newest_manifest(store: Path) -> Path:
    """RocksDB's list of its files."""
    return max(store.glob("MANIFEST-*"))
