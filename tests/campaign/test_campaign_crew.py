"""Processes of this machine: one that dies takes no other with it, and somebody else takes its seat."""

from __future__ import annotations

import os

from daxfuzz.campaign.crew import LocalCrew, Outcome, Seat


def ended(crew: LocalCrew) -> Outcome:
    while True:
        for outcome in crew.outcomes(1.0):
            return outcome


def test_a_process_that_dies_is_replaced() -> None:
    crew = LocalCrew(1)
    try:
        [seat] = crew.seats()
        crew.submit(seat, abs, -3)
        assert ended(crew) == Outcome(seat, 3)
        crew.submit(seat, os._exit, 1)
        assert ended(crew) == Outcome(seat, lost=True)
        [other] = crew.seats()
        assert other == Seat(seat.name, seat.life + 1)
        crew.submit(other, abs, -4)
        assert ended(crew) == Outcome(other, 4)
    finally:
        crew.stop()


def test_an_error_is_an_outcome() -> None:
    crew = LocalCrew(1)
    try:
        [seat] = crew.seats()
        crew.submit(seat, len, 3)
        outcome = ended(crew)
        assert isinstance(outcome.error, TypeError)
        assert not outcome.lost
    finally:
        crew.stop()
