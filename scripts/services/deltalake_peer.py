"""delta-rs for the service tests: reads {"ask": "Python"} by the line, answers {"rows": [...]} or {"error": "..."}
by the line. A program leaves what it has to say, an Arrow table, in `answer`. Values are spelled as
src/lib/delta/testing/interop/peer.fixture.ts says.
"""

import json
import math
import sys

import deltalake
import pyarrow as pa


def spelled(value, kind):
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: spelled(value[field.name], field.type) for field in kind}
    if pa.types.is_map(kind):
        pairs = [
            {"key": spelled(key, kind.key_type), "value": spelled(inner, kind.item_type)}
            for key, inner in value
        ]
        return sorted(pairs, key=lambda pair: str(pair["key"]))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_list_view(kind):
        return [spelled(item, kind.value_type) for item in value]
    if pa.types.is_dictionary(kind):
        return spelled(value, kind.value_type)
    if pa.types.is_int64(kind) or pa.types.is_date(kind):
        return str(value)
    if pa.types.is_decimal(kind):
        return format(value, "f")
    if pa.types.is_floating(kind):
        return value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if pa.types.is_timestamp(kind):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f") + ("" if kind.tz is None else "Z")
    return value


def rows_of(answer):
    table = answer if isinstance(answer, pa.Table) else pa.table(answer)
    columns = [[spelled(value, field.type) for value in table[at].to_pylist()] for at, field in enumerate(table.schema)]
    return [dict(zip(table.schema.names, row)) for row in zip(*columns)]


def main():
    answers = sys.stdout
    sys.stdout = sys.stderr
    names = {"deltalake": deltalake, "DeltaTable": deltalake.DeltaTable, "pa": pa}
    print(json.dumps({"rows": []}), file=answers, flush=True)
    for line in sys.stdin:
        try:
            names.pop("answer", None)
            exec(json.loads(line)["ask"], names)
            said = {"rows": rows_of(names["answer"])} if names.get("answer") is not None else {"rows": []}
        except BaseException as failure:
            said = {"error": f"{type(failure).__name__}: {failure}"}
        print(json.dumps(said), file=answers, flush=True)


main()
