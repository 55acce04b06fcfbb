"""What the Delta cases do, by delta-rs: prints the seconds that it took, apart from the imports."""

import sys
import time

import pyarrow.parquet as parquet
from deltalake import DeltaTable, write_deltalake


def append(path, rows, batch):
    table = parquet.read_table(rows)
    size = int(batch)
    started = time.perf_counter()
    for at in range(0, table.num_rows, size):
        write_deltalake(path, table.slice(at, size), mode="append")
    return time.perf_counter() - started


def open_table(path):
    started = time.perf_counter()
    len(DeltaTable(path).file_uris())
    return time.perf_counter() - started


def merge(path, rows):
    source = parquet.read_table(rows)
    started = time.perf_counter()
    (
        DeltaTable(path)
        .merge(source, "t.id = s.id", source_alias="s", target_alias="t")
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )
    return time.perf_counter() - started


def optimize(path):
    started = time.perf_counter()
    DeltaTable(path).optimize.compact()
    return time.perf_counter() - started


commands = {"append": append, "open": open_table, "merge": merge, "optimize": optimize}
print(commands[sys.argv[1]](*sys.argv[2:]))
