"""The worker processes of a run: libFuzzer in each of them, one corpus for all."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daxfuzz.engines.atheris.job import JOB, Job, Report
from daxfuzz.engines.scratch import scratch
from daxfuzz.engines.worker_process import undone
from daxfuzz.triage.bench import KernelChoice

OPTIONS = ("-len_control=0", "-timeout=60", "-rss_limit_mb=4096", "-print_final_stats=0")
"""Of libFuzzer."""

END = 5.0
"""Seconds that a worker gets to end when it is told to."""


class WorkerFailed(RuntimeError):
    """A worker has ended though it should not have; the text has the end of its log.

    crash: the input that it was at, None if it has not said.
    """

    def __init__(self, message: str, crash: Path | None) -> None:
        super().__init__(message)
        self.crash = crash


class Crew:
    """Workers that fuzz a kernel together.

    directory: where the corpus, failing inputs and logs go.
    count: of the workers.
    executions: of all of them together, None for no limit.
    seed: of the first one's libFuzzer; the others have the numbers after it.
    features: whether libFuzzer is shown any.
    """

    def __init__(
        self,
        kernel: KernelChoice,
        directory: Path,
        count: int,
        executions: int | None,
        seed: int,
        features: bool = True,
    ) -> None:
        self.crashes = directory / "crashes"
        self.corpus = directory / "corpus"
        self.crashes.mkdir()
        self.corpus.mkdir()
        self._logs = [directory / f"{number}.log" for number in range(count)]
        self._reports: queue.SimpleQueue[tuple[int, Report]] = queue.SimpleQueue()
        self._readers: list[threading.Thread] = []
        self.processes: list[subprocess.Popen[str]] = []
        shares = [None if executions is None else executions // count + (i < executions % count) for i in range(count)]
        self._jobs = [Job(kernel, share, str(self.crashes), features) for share in shares]
        self._seed = seed

    def start(self) -> None:
        """Start the workers."""
        for number, job in enumerate(self._jobs):
            self._start(job, number, self._seed)

    def _start(self, job: Job, number: int, seed: int) -> None:
        # 0 would have libFuzzer draw one.
        options = [f"-seed={(seed + number) % (2**32 - 1) + 1}", f"-artifact_prefix={self.crashes}/", *OPTIONS]
        if job.executions is not None:
            options.append(f"-runs={job.executions}")
        with self._logs[number].open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "daxfuzz.engines.atheris.worker", *options, str(self.corpus)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, JOB: job.dumps()},
                text=True,
                # Ctrl-C is for the process that started it.
                start_new_session=True,
            )
        self.processes.append(process)
        reader = threading.Thread(target=self._read, args=(number, process), daemon=True)
        reader.start()
        self._readers.append(reader)

    def _read(self, number: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            # The last one may be cut off.
            if line.endswith("\n"):
                self._reports.put((number, Report.loads(line)))

    def running(self) -> bool:
        """Whether any worker is at work."""
        return any(process.poll() is None for process in self.processes)

    def reports(self, seconds: float) -> Iterator[tuple[int, Report]]:
        """What workers have said, each with its number; waits so long for the first."""
        try:
            yield self._reports.get(timeout=seconds)
            while True:
                yield self._reports.get_nowait()
        except queue.Empty:
            return

    def join(self) -> None:
        """Wait until all that workers have said before they ended is there as reports."""
        for reader in self._readers:
            reader.join()

    def check(self) -> None:
        """Raises WorkerFailed if one has ended before its time."""
        for process, log in zip(self.processes, self._logs, strict=True):
            if process.poll() not in (None, 0):
                raise WorkerFailed(
                    f"a worker has ended with status {process.returncode}: {last_line(log)}", self._last_input()
                )

    def _last_input(self) -> Path | None:
        """The input that was written last, by libFuzzer when the process ended."""
        found = sorted(self.crashes.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return found[-1] if found else None

    def apply(self, repairs: tuple[str, ...]) -> None:
        """Have half of the programs run with these repairs on top from now on."""
        for process in self.processes:
            assert process.stdin is not None
            try:
                process.stdin.write(json.dumps(repairs) + "\n")
                process.stdin.flush()
            except OSError:
                continue

    def stop(self) -> None:
        """End the workers, whatever they are at."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                try:
                    process.stdin.close()
                except OSError:
                    continue

    def kill(self) -> None:
        """End the workers without waiting for it."""
        for process in self.processes:
            process.kill()


@contextmanager
def crew_at_work(
    kernel: KernelChoice, count: int, executions: int | None, seed: int, features: bool = True
) -> Iterator[Crew]:
    """Workers and their directory, as Crew has them; when the block is left, both are gone."""
    with scratch() as directory:
        crew = Crew(kernel, directory, count, executions, seed, features)
        with undone(crew.kill):
            try:
                crew.start()
                yield crew
            finally:
                crew.stop()


def last_line(log: Path) -> str:
    """What a log ends with."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return next((line.strip() for line in reversed(lines) if "Error" in line or "ERROR" in line), "no message")
