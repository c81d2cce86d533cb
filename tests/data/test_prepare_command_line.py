"""The command line of data.prepare repeats what modules that take long to import say."""

from data.detectors.body_smoothing import LONGEST_GAP, SMOOTHING
from data.detectors.landmarks import DEFAULT_FINDER, FINDERS
from data.prepare import command_line


def test_defaults_are_those_of_the_detectors() -> None:
    assert (command_line.SMOOTHING, command_line.LONGEST_GAP) == (SMOOTHING, LONGEST_GAP)
    assert tuple(FINDERS) == command_line.FINDERS and command_line.FINDERS[0] == DEFAULT_FINDER
