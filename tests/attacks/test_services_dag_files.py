"""DAG files that attack their parser: each only fails its own parse, and the next file is still parsed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# as the web server has it, with a plain run of the file in place of Airflow's import
PARSER = """
import json, os, sys
from pathlib import Path
from harness.incluster.airflow.parsing import Zygote

def parse(file):
    exec(compile(Path(file).read_text(), file, "exec"), {"__name__": "dag", "__file__": file})
    return {"dags": [Path(file).stem], "error": None, "timed_out": False}

zygote = Zygote(1.0, parse)
for round in range(2):
    results = zygote.parse([Path(file) for file in sys.argv[1:]])
print(json.dumps(results))
children = [int(n) for n in os.listdir("/proc") if n.isdigit()]
def stat(pid):
    try:
        return Path("/proc", str(pid), "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
print(json.dumps([pid for pid in children if (s := stat(pid)) and int(s[1]) == zygote.pid]))
"""

FILES = {
    "closes its descriptors": ("import os\nos.closerange(0, 4096)\n", ""),
    "closes its descriptors and stays": ("import os, time\nos.closerange(0, 4096)\ntime.sleep(600)\n", "timeout"),
    "ignores all signals": (
        "import signal, time\n"
        "for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "while True:\n    time.sleep(0.01)\n",
        "timeout",
    ),
    "forks": ("import os\nos.fork()\nos.fork()\n", ""),
    "leaves a process": ("import os, time\nif os.fork() == 0:\n    time.sleep(600)\n", ""),
    "leaves a daemon": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(600)\n", ""
    ),
    "forks without end": ("import os\nfor _ in range(7):\n    os.fork()\nwhile True:\n    pass\n", "timeout"),
    "kills its parent": ("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n", "watches over"),
    "kills its group": ("import os, signal\nos.killpg(0, signal.SIGKILL)\n", "signal 9"),
    "stops its parent": (
        "import os, signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(600)\n", "timeout"
    ),
    "raises 200 MB": ("raise ValueError('x' * 200_000_000)\n", "ValueError"),
    "prints 200 MB": ("import sys\nfor _ in range(200):\n    sys.stderr.write('x' * 1_000_000)\n", ""),
    "ends its interpreter": ("import os\nos._exit(7)\n", "exit status 7"),
    "aborts": ("import os\nos.abort()\n", "signal 6"),
    "raises SystemExit": ("raise SystemExit('enough')\n", "enough"),
}  # fmt: skip


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[int], bytes]:
    """Result by name, the processes that are left, and what was printed."""
    folder = tmp_path_factory.mktemp("dags")
    files = {}
    for name, (text, _) in {**FILES, "good": ("pass\n", "")}.items():
        files[name] = folder / f"{name.replace(' ', '_')}.py"
        files[name].write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PARSER), *map(str, files.values())],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        timeout=300,
        check=True,
    )
    results, left = (json.loads(line) for line in done.stdout.splitlines())
    return {name: results[str(file)] for name, file in files.items()}, left, done.stderr


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_attacks_the_parser_hurts_only_itself(
    name: str, parsed: tuple[dict[str, Any], list[int], bytes]
) -> None:
    result, expected = parsed[0][name], FILES[name][1]
    if not expected:
        assert result["error"] is None
        assert len(result["dags"]) == 1
    else:
        assert expected in result["error"]
        assert len(result["error"]) < 100_000
        assert result["timed_out"] == (expected == "timeout")


def test_the_others_are_parsed_and_nothing_is_left(parsed: tuple[dict[str, Any], list[int], bytes]) -> None:
    results, left, printed = parsed
    assert results["good"] == {"dags": ["good"], "error": None, "timed_out": False}
    assert left == []
    assert len(printed) < 1_000_000
