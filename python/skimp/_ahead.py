# SPDX-License-Identifier: BSD-3-Clause
"""An iterator that works ahead, in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue
from threading import Semaphore, Thread, current_thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """What an iterator yields, made while what it yielded before is in use: one item ahead, never more.

    The iterator runs in one thread from its first item to its last, and is closed there.

    Parameters
    ----------
    items : iterator
        Must not go on working on what it has yielded.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._ready: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
        self._wanted = Semaphore(1)
        self._is_closed = False
        self._thread = Thread(target=self._run, name="skimp-ahead", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while self._wanted.acquire() and not self._is_closed:
                self._ready.put((next(self._items), None))
        except BaseException as error:  # StopIteration too: whoever asks is to see it
            self._ready.put((None, error))
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()

    def __iter__(self) -> Ahead[T]:
        return self

    def __next__(self) -> T:
        item, error = self._ready.get()
        if error is not None:
            self._ready.put((None, error))
            if isinstance(error, StopIteration):
                raise StopIteration
            raise error
        self._wanted.release()
        return item  # type: ignore[return-value]

    def close(self) -> None:
        """End the thread, once it has done what it is at."""
        self._is_closed = True
        self._wanted.release()
        if current_thread() is not self._thread:  # which the garbage collector may run in
            self._thread.join()
