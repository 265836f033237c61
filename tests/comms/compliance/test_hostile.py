"""Does any text take more than its length to be screened?

Work is counted, not timed: every call of a function, of Python or of C, is one. What an engine does
within one call is measured by ``make hostile``.
"""

import pytest

from benchmarks import hostile
from comms.compliance.screening import screen
from tests.comms.compliance.work import calls

_SIZE = 1_200
_SLACK = 1_000
"""Calls that a text of any length costs."""
MIXTURES = sorted({*hostile.FRAGMENTS, *hostile.pieces(seed=7, many=20)})


@pytest.mark.parametrize("piece", MIXTURES)
def test_four_times_the_text_is_no_more_than_four_times_the_work(piece: str) -> None:
    short, long = (hostile.repeated(piece, size) for size in (_SIZE, 4 * _SIZE))
    screen(long)  # builds automata, and fills what is remembered
    few, many = calls(lambda: screen(short)), calls(lambda: screen(long))
    assert many <= 5 * few + _SLACK


def test_the_measure_sees_a_square() -> None:
    def square(size: int) -> None:
        for one in range(size):
            for other in range(one):
                abs(other)

    assert calls(lambda: square(80)) > 5 * calls(lambda: square(20)) + _SLACK
