"""Runs cells in one kernel: jupyter_peer.py FOLDER < cells.json

The kernel works in FOLDER. A cell is {"code": ..., "interruptAt": text or absent}: the kernel is interrupted once the
cell has written that text. On stdout, for each cell: {"status", "text"}.
"""
import json
import sys
import time

from jupyter_client.manager import start_new_kernel

TIMEOUT_SECONDS = 120
# For this long after a failure, tslab gives up what it is asked.
RECOVERY_SECONDS = 0.5


def answer(receive, wanted):
    while True:
        message = receive(timeout=TIMEOUT_SECONDS)
        if message["parent_header"].get("msg_id") == wanted:
            return message


def run(manager, client, cell):
    wanted = client.execute(cell["code"])
    text, is_interrupted = "", False
    while True:
        message = answer(client.get_iopub_msg, wanted)
        content = message["content"]
        text += content.get("text", "")
        if message["msg_type"] == "status" and content["execution_state"] == "idle":
            break
        if not is_interrupted and cell.get("interruptAt") and cell["interruptAt"] in text:
            is_interrupted = True
            manager.interrupt_kernel()
    status = answer(client.get_shell_msg, wanted)["content"]["status"]
    if status != "ok":
        time.sleep(RECOVERY_SECONDS)
    return {"status": status, "text": text}


def main(folder):
    cells = json.load(sys.stdin)
    manager, client = start_new_kernel(kernel_name="tslab", cwd=folder, startup_timeout=TIMEOUT_SECONDS)
    try:
        print(json.dumps([run(manager, client, cell) for cell in cells]))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
