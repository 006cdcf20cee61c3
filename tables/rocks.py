"""Opens a partition's RocksDB with Faust's options, so that a compaction drops what has expired, and nothing else.

rocksdict 0.3.29 opens a store with a time to live wrongly when it exists already and the options of its column family are not
given: RocksDB's filter for expired values is then there twice. The inner one takes the last four bytes of the value itself for
the time at which it was written. A compaction then drops values that are shorter, as most rows of the index are, and those
whose last bytes look like a time long ago, as the digits of the offset do from which a recovery goes on.
"""

from pathlib import Path
from typing import Any

import rocksdict


def open_rocks(options: Any, path: Path) -> Any:
    """The store, made where there is none. `options`: Faust's RocksDBOptions. Raises RocksDB's exceptions."""
    made = options.as_options()
    access = rocksdict.AccessType.read_write() if options.ttl is None else rocksdict.AccessType.with_ttl(options.ttl)
    rocks = rocksdict.Rdict(str(path), options=made, column_families={"default": made}, access_type=access)
    rocks.set_read_options(rocksdict.ReadOptions())
    return rocks
