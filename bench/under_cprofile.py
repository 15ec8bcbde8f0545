"""
A launcher that runs a Python script under cProfile: `under_cprofile.py FIGURES SCRIPT [ARGUMENT...]`.

It exists because a server that is ended by SIGTERM lets the signal kill it in the end, and `python -m cProfile` would
then write nothing.
"""

import cProfile
import json
import runpy
import signal
import sys
from pathlib import Path
from types import CodeType, FrameType


def main() -> None:
    """Run the script with its arguments and leave `[function, own seconds, total seconds]` rows, however it ends."""
    figures, script, *arguments = sys.argv[1:]
    sys.argv = [script, *arguments]
    # The script must find what it finds without us, not the modules that happen to lie beside this file.
    sys.path.pop(0)
    signal.signal(signal.SIGTERM, _end)
    profiler = cProfile.Profile()
    try:
        profiler.runcall(runpy.run_path, script, run_name="__main__")
    finally:
        rows = [(_name_of(entry.code), entry.inlinetime, entry.totaltime) for entry in profiler.getstats()]
        Path(figures).write_text(json.dumps(rows))


def _name_of(code: CodeType | str) -> str:
    return code if isinstance(code, str) else f"{code.co_qualname} ({code.co_filename})"


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
