"""Answering a call: by what is stored, by somebody else's run, or by one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleche_like.cache.composed import Composed
from fleche_like.memo.engine import Engine, Found, Request
from fleche_like.memo.flight import End, Turn
from fleche_like.memo.loops import off_the_loop
from fleche_like.memo.run import Run
from fleche_like.memo.waiting import wait, wait_on_loop


def answer(
    engine: Engine,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    token: bytes | None = None,
    *,
    look: bool = True,
) -> Any:
    """Answer a call that the fast path could not: look it up, else run and store it.

    Args:
        engine: of the function.
        args: positional arguments.
        kwargs: keyword arguments.
        token: the arguments' token, if they have one.
        look: whether a stored result will do; otherwise it is replaced.

    Raises:
        Exception: whatever the function raises, now or when the result was stored.
    """
    request = engine.request(args, kwargs, token)
    if request is None:
        return run(engine, Run(engine), args, kwargs)
    if engine.policies.single_flight:
        return _in_turn(engine, request, look)
    step = _found_or_prepared(engine, request, look)
    return step.opened() if isinstance(step, Found) else run(engine, step, args, kwargs)


def _stored(engine: Engine, request: Request, look: bool) -> Found | Run | None:
    return engine.stored(request) if look else None


def _found_or_prepared(engine: Engine, request: Request, look: bool) -> Found | Run:
    return _stored(engine, request, look) or engine.prepared(request)


def run(engine: Engine, step: Run, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Run the body, and store what the step says.

    Raises:
        BaseException: whatever the body raises.
    """
    args, kwargs = engine.with_values(args, kwargs)
    step.start()
    try:
        result = engine.body(*args, **kwargs)
    except BaseException as error:
        step.fail(error)
        raise
    step.finish(result)
    return result


def _turn(request: Request) -> Turn:
    """Return the turn of a call; one who asks a view shares it with those who ask the cache."""
    place = request.cache
    while isinstance(place, Composed) and place.target is not None:
        place = place.target
    return Turn(place, request.key, request.cache.leases)


def _in_turn(engine: Engine, request: Request, look: bool) -> Any:
    """Answer a call in its turn.

    Who replaces what is stored waits for those who run, too: what began before could be stored
    after, and be taken for the newer one.
    """
    turn, how = _turn(request), End.FAILED
    try:
        ours = turn.take()
        # In turn or not, whoever asks looks once more: the one ahead may just have stored it.
        while (step := _stored(engine, request, look)) is None and not ours:
            engine.log("waiting", request.key)
            ours = wait(turn)
        step = step or engine.prepared(request)
        if isinstance(step, Found):
            how = End.STORED
            return step.opened()
        turn.begin()
        try:
            return run(engine, step, request.args, request.kwargs)
        finally:
            turn.leave()
            how = step.ended
    finally:
        try:
            turn.end(how)
        except BaseException:  # Ctrl-C, before it had begun or in the middle of it
            turn.end(how)
            raise


async def answer_on_loop(
    engine: Engine,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    token: bytes | None = None,
    *,
    look: bool = True,
) -> Any:
    """Answer a call of a coroutine function; storage runs in threads, not on the loop.

    Args and raises: see :func:`answer`.
    """
    request = await off_the_loop(engine.request, args, kwargs, token)
    if request is None:
        return await run_on_loop(engine, Run(engine), args, kwargs)
    if engine.policies.single_flight:
        return await _in_turn_on_loop(engine, request, look)
    step = await off_the_loop(_found_or_prepared, engine, request, look)
    if isinstance(step, Found):
        return step.opened()
    return await run_on_loop(engine, step, args, kwargs)


async def run_on_loop(
    engine: Engine, step: Run, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Await the body, and store what the step says.

    Raises:
        BaseException: whatever the body raises.
    """
    args, kwargs = await off_the_loop(engine.with_values, args, kwargs)
    step.start()
    try:
        result = await engine.body(*args, **kwargs)
    except Exception as error:
        await off_the_loop(step.fail, error)
        raise
    except BaseException as interrupt:
        step.fail(interrupt)  # which is never stored, and a closed coroutine must not await
        raise
    await off_the_loop(step.finish, result)
    return result


async def _in_turn_on_loop(engine: Engine, request: Request, look: bool) -> Any:
    turn, how = _turn(request), End.FAILED
    try:
        step = await off_the_loop(lambda: _step(engine, request, look, turn.take()))
        while step is None:
            engine.log("waiting", request.key)
            ours = await wait_on_loop(turn)
            step = await off_the_loop(_step, engine, request, look, ours)
        if isinstance(step, Found):
            how = End.STORED
            return step.opened()
        turn.begin()
        try:
            return await run_on_loop(engine, step, request.args, request.kwargs)
        finally:
            turn.leave()
            how = step.ended
    except GeneratorExit:
        turn.end(how)  # a closed coroutine must not await
        raise
    finally:
        if not turn.is_quick:
            if not turn.is_over:
                await off_the_loop(turn.end, how)
        else:
            try:
                turn.end(how)
            except BaseException:
                turn.end(how)
                raise


def _step(engine: Engine, request: Request, look: bool, ours: bool) -> Found | Run | None:
    found = _stored(engine, request, look)
    return engine.prepared(request) if found is None and ours else found
