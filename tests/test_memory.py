"""A piece of work is watched in a process of its own, and limited there."""

import os
import subprocess
import sys

import cloudpickle
import dask.array as da
import numpy as np
import pytest

from s3_sandbox.memory import watched

MEGABYTE = 1_000_000
NUMBERS = 10_000_000
SUM = NUMBERS * (NUMBERS - 1) // 2
# The new process cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def add_up(chunks):
    """Add up 80 MB of numbers in pieces."""
    return int(da.arange(NUMBERS, chunks=NUMBERS // chunks).sum().compute())


def test_the_answer_and_the_memory_come_back():
    answer, memory = watched(add_up, 20)
    assert answer == SUM
    done, megabytes = memory.T
    assert (np.diff(done) >= 0).all()
    assert done[-1] <= 1
    assert 0 < megabytes.max() < 80


def test_at_once_it_takes_more():
    _, in_pieces = watched(add_up, 20)
    _, at_once = watched(add_up, 1)
    assert at_once[:, 1].max() > 79 > in_pieces[:, 1].max()


@pytest.mark.parametrize(("chunks", "fits"), [(1, False), (20, True)])
def test_more_than_the_limit_is_a_memory_error(chunks, fits):
    answer, _ = watched(add_up, chunks, limit=60 * MEGABYTE)
    assert isinstance(answer, int if fits else MemoryError)


def test_the_limit_is_not_on_this_process():
    watched(add_up, 20, limit=60 * MEGABYTE)
    assert np.ones(20 * MEGABYTE).sum() == 20 * MEGABYTE


def abort(message):
    """End the process, as a library does that knows no other way to tell of an error."""
    os.write(2, message)
    os.abort()


def test_a_library_that_ends_the_process_under_a_limit_is_a_memory_error():
    answer, memory = watched(abort, b"NCbytes failure\n", limit=60 * MEGABYTE)
    assert isinstance(answer, MemoryError)
    assert str(answer) == "NCbytes failure"
    assert memory.shape == (0, 2)


def test_a_process_that_ends_without_a_limit_is_an_error():
    with pytest.raises(subprocess.CalledProcessError, match="SIGABRT"):
        watched(abort, b"")


def test_another_error_of_the_work_is_an_error():
    with pytest.raises(Exception, match="returned non-zero exit status 1"):
        watched(add_up, "no number")
