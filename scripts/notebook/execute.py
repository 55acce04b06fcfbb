"""Executes one notebook: execute.py NOTEBOOK COPY FOLDER

The kernel works in FOLDER. COPY gets the notebook as far as it came. One JSON document on stdout:
{"cells": N, "failure": null | {"cell": n or null, "text": "..."}}; exit 0 when every cell ran, 1 when one failed.

A cell is judged by the kernel's reply: tslab leaves no `error` output behind a cell that threw. What fails after
its cell has ended is told by kernel.cjs.
"""
import json
import os
import sys
import tempfile

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

CELL_TIMEOUT_SECONDS = 900
KERNEL_TIMEOUT_SECONDS = 120


def stderr_of(cell):
    outputs = cell.get("outputs", [])
    return "".join(o.get("text", "") for o in outputs if o.output_type == "stream" and o.name == "stderr")


def execute(notebook, folder, late_failures):
    failures = []

    def judge(cell, cell_index, execute_reply):
        status = execute_reply["content"]["status"]
        if status != "ok":
            text = stderr_of(cell).strip() or f"the kernel answered {status}"
            failures.append({"cell": cell_index + 1, "text": text})

    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_SECONDS,
        startup_timeout=KERNEL_TIMEOUT_SECONDS,
        allow_errors=True,
        on_cell_executed=judge,
        resources={"metadata": {"path": folder}},
    )
    try:
        client.execute(env={**os.environ, "LAKESHORE_LATE_FAILURES": late_failures})
    except (DeadKernelError, TimeoutError, RuntimeError) as error:
        failures.append({"cell": None, "text": str(error).strip()})
    with open(late_failures, encoding="utf8") as file:
        text = file.read().strip()
    if text:
        failures.append({"cell": None, "text": f"after its cell had ended: {text}"})
    return failures[0] if failures else None


def main(source, copy, folder):
    notebook = nbformat.read(source, as_version=4)
    failure = None
    with tempfile.NamedTemporaryFile(prefix="lakeshore-late-failures-") as late_failures:
        try:
            failure = execute(notebook, folder, late_failures.name)
        finally:
            partial = f"{copy}.{os.getpid()}.tmp"
            nbformat.write(notebook, partial)
            os.replace(partial, copy)
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    print(json.dumps({"cells": cells, "failure": failure}))
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
