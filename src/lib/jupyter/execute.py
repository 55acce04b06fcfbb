"""Executes one notebook in its place: execute.py NOTEBOOK PAGE FOLDER

The kernel works in FOLDER. NOTEBOOK is written again after each cell, so that what was done is kept whatever happens; PAGE
gets it as HTML that needs no network. One JSON document a line on stdout:

    {"event": "cell", "at": n, "state": "started" | "ok" | "failed"}
    {"event": "ended", "failure": null | {"at": n or null, "text": "...", "line": n or null, "column": n or null}}

`at` counts all cells, from 0. The first cell that fails is the last. SIGINT and SIGTERM interrupt the kernel.

A cell is judged by the kernel's reply: tslab leaves no `error` output behind a cell that threw. Where it threw, and
what fails after its cell has ended, is told by kernel.cjs.
"""
import signal
import sys

# Before all that takes time to load: an early interrupt leaves nothing undone either.
interrupts = []
for each in (signal.SIGINT, signal.SIGTERM):
    signal.signal(each, lambda *_: interrupts.append(True))

import asyncio
import json
import os
import re
import tempfile

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

CELL_TIMEOUT_SECONDS = 3600
KERNEL_TIMEOUT_SECONDS = 120
# An interrupted cell has so long to end; then its kernel is killed.
INTERRUPT_SECONDS = 4


def tell(document):
    print(json.dumps(document), flush=True)


def save(notebook, path):
    partial = f"{path}.{os.getpid()}.tmp"
    nbformat.write(notebook, partial)
    os.replace(partial, path)


def stderr_of(cell):
    outputs = cell.get("outputs", [])
    return "".join(o.get("text", "") for o in outputs if o.output_type == "stream" and o.name == "stderr")


class Run:
    def __init__(self, path, folder, places, late):
        self.path, self.places, self.late = path, places, late
        self.notebook = nbformat.read(path, as_version=4)
        self.failure = None
        self.is_running = False
        self.client = NotebookClient(
            self.notebook,
            timeout=CELL_TIMEOUT_SECONDS,
            startup_timeout=KERNEL_TIMEOUT_SECONDS,
            allow_errors=True,
            record_timing=False,
            on_cell_executed=self.judge,
            resources={"metadata": {"path": folder}},
        )

    def fail(self, at, text, line=None, column=None):
        if self.failure is None:
            self.failure = {"at": at, "text": text, "line": line, "column": column}

    def judge(self, cell, cell_index, execute_reply):
        status = execute_reply["content"]["status"]
        if status == "ok":
            return
        text = stderr_of(cell).strip() or f"the kernel answered {status}"
        # As the compiler tells it: line:column - message.
        told = re.match(r"(\d+):(\d+) - ", text)
        if told:
            line, column = int(told[1]), int(told[2])
        else:
            with open(self.places, encoding="utf8") as file:
                found = file.read().splitlines()
            place = json.loads(found[-1]) if found else {}
            line, column = place.get("line"), place.get("column")
        self.fail(cell_index, text, line, column)

    def interrupt(self):
        interrupts.append(True)
        loop = asyncio.get_running_loop()
        if not self.is_running:
            # It starts or ends, and there is nothing to wait for.
            loop.create_task(self.end(now=True))
            return
        loop.create_task(self.client.km.interrupt_kernel())
        loop.call_later(INTERRUPT_SECONDS, lambda: loop.create_task(self.end(now=True)))

    async def end(self, now):
        if not self.client.km.has_kernel:
            return
        try:
            await self.client.km.shutdown_kernel(now=now)
        except RuntimeError:
            # Of two who end it, one comes too late.
            if self.client.km.has_kernel:
                raise

    async def cells(self):
        environment = {
            **os.environ,
            "LAKESHORE_CELL_FAILURES": self.places,
            "LAKESHORE_LATE_FAILURES": self.late,
        }
        client = self.client
        client.km = client.create_kernel_manager()
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, self.interrupt)
        try:
            await client.async_start_new_kernel(env=environment)
            await client.async_start_new_kernel_client()
            self.notebook.metadata["language_info"] = await self.language()
            for at, cell in enumerate(self.notebook.cells):
                if cell.cell_type == "code" and not self.failure and not interrupts:
                    await self.run_cell(at, cell)
        finally:
            # What an interrupted cell still waits for would keep the kernel.
            if interrupts and client.km.has_kernel and await client.km.is_alive():
                await client.km.signal_kernel(signal.SIGTERM)
            await self.end(now=False)
            if client.kc is not None:
                client.kc.stop_channels()

    async def run_cell(self, at, cell):
        tell({"event": "cell", "at": at, "state": "started"})
        self.is_running = True
        try:
            count = self.client.code_cells_executed + 1
            await self.client.async_execute_cell(cell, at, execution_count=count)
        except DeadKernelError:
            self.fail(at, "The kernel died. Did it run out of memory, or did the cell end its process?")
        except CellTimeoutError:
            self.fail(at, f"The cell did not end within {CELL_TIMEOUT_SECONDS} seconds.")
        finally:
            self.is_running = False
        save(self.notebook, self.path)
        tell({"event": "cell", "at": at, "state": "failed" if self.failure else "ok"})

    async def language(self):
        reply = await self.client.async_wait_for_reply(self.client.kc.kernel_info())
        return reply["content"]["language_info"]

    def execute(self):
        if interrupts:
            return
        try:
            asyncio.run(self.cells())
        except (DeadKernelError, TimeoutError, RuntimeError) as error:
            self.fail(None, str(error).strip() or "The kernel did not start.")
        with open(self.late, encoding="utf8") as file:
            text = file.read().strip()
        if text:
            self.fail(None, f"After its cell had ended: {text}")


def write_page(notebook, path):
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(require_js_url="", mathjax_url="", mermaid_js_url="", mermaid_layout_elk_js_url="")
    page, _ = exporter.from_notebook_node(notebook)
    partial = f"{path}.{os.getpid()}.tmp"
    with open(partial, "w", encoding="utf8") as file:
        file.write(page)
    os.replace(partial, path)


def main(path, page, folder):
    with tempfile.TemporaryDirectory(prefix="lakeshore-notebook-") as scratch:
        places, late = os.path.join(scratch, "places"), os.path.join(scratch, "late")
        for file in (places, late):
            open(file, "w", encoding="utf8").close()
        run = Run(path, folder, places, late)
        try:
            run.execute()
        finally:
            save(run.notebook, path)
            write_page(run.notebook, page)
    tell({"event": "ended", "failure": run.failure})


if __name__ == "__main__":
    main(*sys.argv[1:])
