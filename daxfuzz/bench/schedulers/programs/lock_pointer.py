"""A mutex behind a pointer in a global variable."""

from __future__ import annotations

from daxfuzz.sim import Cell, Mutex, World


class LockPointer:
    """A static pthread_mutex_t *: main allocates the mutex, and each call that takes it reads the pointer first."""

    def __init__(self, world: World, name: str) -> None:
        self._pointer = Cell(world, name, False)
        self._mutex = Mutex(world, f"*{name}")

    async def init(self) -> None:
        """malloc and pthread_mutex_init"""
        await self._pointer.write(True)
        await self._pointer.read()

    async def acquire(self) -> None:
        """pthread_mutex_lock"""
        await self._pointer.read()
        await self._mutex.acquire()

    async def release(self) -> None:
        """pthread_mutex_unlock"""
        await self._pointer.read()
        await self._mutex.release()
