"""
Walks the API with the vendor's Python client, unmodified, one walk for each way of signing.

It runs in the client's own virtual environment and therefore knows nothing of Paydue or pytest: the first argument is a
JSON file with the walks to make, the second the file to write what came of each step into.
"""

import json
import sys
import traceback
from pathlib import Path

import certifi
import invoices  # noqa: F401 - its stories are steps
import webhooks  # noqa: F401 - the same
from walking import STEPS, Walk


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if order["ca_file"]:
        bundle = Path(sys.argv[2]).with_suffix(".pem")
        bundle.write_text(Path(certifi.where()).read_text() + Path(order["ca_file"]).read_text(), encoding="ascii")
        # The client asks certifi and nobody else; it has to be told before it makes its first connection.
        certifi.where = lambda: str(bundle)
    outcomes = []
    for position, walk in enumerate(order["walks"]):
        for step in STEPS:
            try:
                step(Walk(order, walk["settings"], position))
                fault = None
            except Exception:  # noqa: BLE001 - whatever it is, the test shows it
                fault = traceback.format_exc()
            outcomes.append({"walk": walk["name"], "step": step.__name__, "fault": fault})
    Path(sys.argv[2]).write_text(json.dumps(outcomes), encoding="utf-8")


if __name__ == "__main__":
    main()
