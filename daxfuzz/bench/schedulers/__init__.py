"""Schedulers on small programs that have nothing to do with DAX: against published figures, and against arithmetic.

:mod:`.trials` counts the schedules up to the first bug of each of :mod:`.programs`, :mod:`.rows` sums them up beside
the figures of :mod:`.published`, and :mod:`.checks` says what must come out. :mod:`.exact` takes programs of so few
steps that all their interleavings are known, and compares how often a scheduler hits the bug with the probability
that follows from the paper.

May import: daxfuzz.sim, daxfuzz.search.
"""
