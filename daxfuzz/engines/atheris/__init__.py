"""Coverage-guided fuzzing of programs and schedules with atheris, which is libFuzzer.

A harness is a plain libFuzzer target (:func:`~daxfuzz.engines.atheris.harness.main`). Each input is the byte form of a
program and a schedule. Coverage is concurrency coverage: no line of the model or of the scheduler is instrumented.

May import: what the engines may.
"""
