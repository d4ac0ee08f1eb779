"""``examine``, ``fix``, ``require_engine`` and the command line over them."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from harness.common import crash
from harness.common.locking import hold_lock
from harness.doctor import checks, probe, remedies
from harness.doctor.checks import Check, decide
from harness.doctor.engine import ask_engine
from harness.doctor.facts import EngineFacts, Facts
from harness.doctor.node_checks import decide_nodes
from harness.errors import EngineError, PlatformError

_LOCK_TIMEOUT_S = 900.0


def examine(look: Callable[[], Facts] = probe.collect_facts) -> list[Check]:
    """Return the checks; nothing is changed."""
    return decide(look())


def examine_nodes(facts: Facts) -> list[Check]:
    """Return the checks of what ``--cluster kind`` alone needs: none of them is more than a warning."""
    return [
        dataclasses.replace(check, status=checks.WARNING) if check.status == checks.MISSING else check
        for check in decide_nodes(facts)
    ]


def fix(
    say: Callable[[str], None],
    *,
    look: Callable[[], Facts] = probe.collect_facts,
    apply: Callable[[str, Facts, Callable[[str], None]], None] = remedies.apply,
) -> list[Check]:
    """Fix what can be fixed without asking, then examine again.

    Several callers at once do the work once: the others wait and find it done.

    Args:
        say: receives a line for each step, before it is taken.
        look: takes the facts.
        apply: carries out one remedy.

    Raises:
        PlatformError: a remedy failed, or did not fix its problem.
    """
    result = decide(look())
    if not any(check.remedy for check in result):
        return result
    with hold_lock(
        probe.find_state_folder() / "doctor.lock", timeout_s=_LOCK_TIMEOUT_S, purpose="setting up this machine"
    ):
        fixed: set[str] = set()
        tried: set[str] = set()
        while True:
            facts = look()
            result = decide(facts)
            wanted = next((check for check in result if check.remedy), None)
            if wanted is None:
                break
            if wanted.remedy in tried:
                raise PlatformError(
                    f"{wanted.name}: tried to {wanted.remedy}, but still: {wanted.detail}", fix=wanted.command
                )
            tried.add(wanted.remedy)
            fixed.add(wanted.name)
            apply(wanted.remedy, facts, say)
    return [
        dataclasses.replace(check, status=checks.FIXED) if check.name in fixed and check.status == checks.OK else check
        for check in result
    ]


def require_engine(environ: Mapping[str, str] | None = None) -> EngineFacts:
    """Return the engine that the user's ``docker`` uses, when the harness can work with it.

    Raises:
        EngineError: it cannot; the fix is the command to run on this machine.
    """
    environ = os.environ if environ is None else environ
    engine = ask_engine(environ)
    # the whole look is for the command that fixes it; an engine that answers is judged by its answer alone
    if engine.state == "up":
        found = checks.engine_check(engine)
    else:
        facts = probe.collect_facts(environ)
        engine, found = facts.engine, _find_engine_check(decide(facts))
    if found.status == checks.MISSING:
        raise EngineError(f"container engine: {found.detail}", fix=found.command)
    return engine


def preflight(say: Callable[[str], None], *, look: Callable[[], Facts] = probe.collect_facts) -> None:
    """Check all that images are made with, before the first one: takes much less than a second, starts no container.

    Args:
        say: gets a line about the engine, and one for each warning.
        look: takes the facts.

    Raises:
        EngineError: the harness cannot work with the engine.
        PlatformError: there is too little of something for images to be made.
    """
    facts = look()
    found = decide(facts)
    engine = _find_engine_check(found)
    if engine.status == checks.MISSING:
        raise EngineError(f"container engine: {engine.detail}", fix=engine.command)
    say(f"container engine: {engine.detail}")
    say(f"image builder: {facts.builder}")
    _require(found, "no image can be made", say)


def require_nodes(nodes: int, say: Callable[[str], None], *, look: Callable[[], Facts] | None = None) -> None:
    """Check what nodes of kind need of this machine, before their image is made.

    Args:
        nodes: the number of nodes.
        say: gets a line for each warning.
        look: takes the facts.

    Raises:
        PlatformError: they cannot run here; the fix is the command to run on this machine.
    """
    facts = look() if look else probe.collect_facts(for_nodes=True)
    _require(decide_nodes(facts, nodes), "no kind cluster can be made", say)


def _require(found: Sequence[Check], consequence: str, say: Callable[[str], None]) -> None:
    """Report warnings, and raise for the first thing that is missing; ``consequence`` begins the error."""
    for check in found:
        if check.status == checks.MISSING:
            raise PlatformError(f"{consequence}: {check.name}: {check.detail}", fix=check.command)
        if check.status == checks.WARNING:
            say(f"{check.name}: {check.detail}; {check.command}")


def _find_engine_check(found: Sequence[Check]) -> Check:
    return next(check for check in found if check.name == checks.ENGINE)


def main(arguments: Sequence[str]) -> int:
    """Print one line for each check; return 0 when the harness can run here, otherwise 3 or 2 (``doctor [--fix]``)."""
    parser = argparse.ArgumentParser(
        prog="kaapana-harness doctor", description="What is missing on this machine, and the command that fixes it."
    )
    parser.add_argument("--fix", action="store_true", help="fix what can be fixed (as root: install, start)")
    options = parser.parse_args(arguments)

    def say(line: str) -> None:
        print(f"doctor: {line}", file=sys.stderr, flush=True)

    try:
        outcome = fix(say) if options.fix else None
        facts = probe.collect_facts(for_nodes=True)
        if outcome is None:
            outcome = decide(facts)
        nodes = examine_nodes(facts)
    except Exception as error:
        explained = crash.explain(error)
        print(f"doctor: {explained}", file=sys.stderr)
        return explained.exit_status
    for check in [*outcome, *nodes]:
        print(check, flush=True)
    missing = any(check.status == checks.MISSING for check in outcome)
    return PlatformError.exit_status if missing else 0
