"""Interrupts (Ctrl-C) at every place where CPython looks for one: after calls of what is written in
C, at jumps back, and where functions begin."""

from __future__ import annotations

import dis
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import fleche_like

_ROOT = str(Path(fleche_like.__file__).parent) + os.sep
_LOOKS = {
    dis.opmap[name]
    for name in ("CALL", "CALL_FUNCTION_EX", "CALL_KW", "JUMP_BACKWARD", "RESUME")
    if name in dis.opmap
}


class Strike:
    """Raises ``KeyboardInterrupt`` at one of those places in our code.

    Args:
        at: at which one, counted from 1.
        within: parts of paths; what is elsewhere is not counted.

    Attributes:
        place: where it struck, once it has.
        error: what it raised; holds frames as the traceback that a notebook keeps does.
    """

    def __init__(self, at: int, within: tuple[str, ...]) -> None:
        self.place: str | None = None
        self.error: KeyboardInterrupt | None = None
        self._left = at
        self._within = tuple(_ROOT + each for each in within)
        self._calls = 0
        self._before: dict[FrameType, tuple[int, int]] = {}

    def run(self, action: Callable[[], object]) -> None:
        """Run an action in this thread; swallow the interrupt."""
        before = sys.gettrace()
        sys.settrace(self._called)
        try:
            action()
        except KeyboardInterrupt as error:
            self.error = error
            assert self.place is not None, "somebody else's"
        finally:
            sys.settrace(before)

    def _called(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        self._calls += 1
        if not frame.f_code.co_filename.startswith(self._within):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._traced

    def _traced(self, frame: FrameType, event: str, _arg: Any) -> Any:
        if event == "opcode" and self.place is None:
            # What was called must have been C: whoever returns from Python does not look.
            looks = self._before.get(frame) in {(each, self._calls) for each in _LOOKS}
            self._before[frame] = frame.f_code.co_code[frame.f_lasti], self._calls
            self._left -= looks
            if looks and not self._left:
                self._strike(frame)
        return self._traced

    def _strike(self, frame: FrameType) -> None:
        name = frame.f_code.co_filename.removeprefix(_ROOT)
        self.place = f"{name}:{frame.f_lineno} {frame.f_code.co_qualname}"
        self._before.clear()
        raise KeyboardInterrupt
