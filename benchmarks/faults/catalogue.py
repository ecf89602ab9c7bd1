"""The faults, in the order in which the site shows them."""

from __future__ import annotations

from benchmarks.faults.patience import BOUNDED, PATIENT
from benchmarks.faults.proxy import Order
from benchmarks.faults.trials import Fault

GET = ["GetObject"]
HEAD = ["HeadObject"]
LIST = ["ListObjects"]
PART = ["UploadPart"]
END = ["CompleteMultipartUpload"]
SLOW = BOUNDED[:2]
"""Without a limit on silence: what is sent is in buffers long before it arrives."""


def status(number: int, operations: list[str], times: int = 0, keys: str = "") -> Order:
    """Have requests refused with a status."""
    return Order("status", operations, status=number, times=times, keys=keys)


SHORT = ("connect_timeout=10", "readwrite_timeout=20")
"""How long a try may take, in the trials of waiting."""

WAIT = tuple(
    Fault("wait", f"{title}, {words}", order, options, limit=600)
    for title, order in {
        "Connections are refused": Order("refused"),
        "Connections get no answer": Order("unreachable"),
        "No answer": Order("hang", GET),
        "503 for data": status(503, GET),
    }.items()
    for words, options in {
        "with the defaults": (),
        "with two tries": ("retries=2", *SHORT),
        "with one try": ("retries=1", *SHORT),
    }.items()
)

READ = (
    Fault("read", "Connections are refused", Order("refused")),
    Fault("read", "Connections are refused for 3 s", Order("refused"), PATIENT, seconds=3),
    Fault("read", "Connections get no answer", Order("unreachable")),
    Fault("read", "Reset before the answer", Order("reset", GET)),
    Fault("read", "Reset in the body", Order("reset_in_answer", GET)),
    Fault("read", "Reset in the body, once", Order("reset_in_answer", GET, times=1), PATIENT),
    Fault("read", "Body cut off", Order("closed_in_answer", GET)),
    Fault("read", "No answer", Order("hang", GET)),
    Fault("read", "Silence in the body", Order("hang_in_answer", GET)),
    Fault("read", "Silence in the body, once", Order("hang_in_answer", GET, times=1), PATIENT),
    Fault("read", "Slow, never silent", Order("slow", GET, times=4)),
    Fault("read", "403 for data", status(403, GET)),
    Fault("read", "404 for data", status(404, GET)),
    Fault("read", "404 for data, parallel reads", status(404, GET), cached=False),
    Fault("read", "500 for data", status(500, GET)),
    Fault("read", "503 for data", status(503, GET)),
    Fault("read", "503 for data, twice", status(503, GET, times=2), PATIENT),
    Fault("read", "403 for the size", status(403, HEAD)),
    Fault("read", "404 for the size", status(404, HEAD)),
    Fault("read", "500 for the size", status(500, HEAD)),
    Fault("read", "200 and the whole, for a part", Order("no_range", GET)),
    Fault("read", "Longer than asked for", Order("long", GET)),
    Fault("read", "Shorter, with a length that fits", Order("short", GET)),
    Fault("read", "Other bytes than asked for", Order("other_range", GET)),
    Fault("read", "One byte changed on the way", Order("changed_down", GET)),
    Fault("read", "Half the size", Order("half_length", HEAD)),
    Fault("read", "Twice the size", Order("double_length", HEAD)),
)

WRITE = (
    Fault("write", "Connections are refused", Order("refused")),
    Fault("write", "Connections are refused for 3 s", Order("refused"), PATIENT, seconds=3),
    Fault("write", "Reset in a part", Order("reset_in_upload", PART)),
    Fault("write", "Reset in a part, once", Order("reset_in_upload", PART, times=1), PATIENT),
    Fault("write", "No answer to a part", Order("hang", PART), limit=400),
    Fault("write", "Slow, never silent", Order("slow", PART), SLOW),
    Fault("write", "403 for a part", status(403, PART)),
    Fault("write", "404 for a part", status(404, PART)),
    Fault("write", "500 for a part", status(500, PART)),
    Fault("write", "503 for a part", status(503, PART)),
    Fault("write", "503 for a part, twice", status(503, PART, times=2), PATIENT),
    Fault("write", "Answer to a part lost, once", Order("answer_lost", PART, times=1), PATIENT),
    Fault("write", "One byte changed on the way", Order("changed_up", PART)),
    Fault("write", "403 at the end", status(403, END)),
    Fault("write", "500 at the end", status(500, END)),
    Fault("write", "No answer at the end", Order("hang", END), limit=400),
    Fault("write", "Answer at the end lost, once", Order("answer_lost", END, times=1), PATIENT),
    Fault("write", "200 at the end, with an error in it", Order("error_in_success", END)),
)

CHANGE = tuple(
    Fault("change", fault.title, fault.order, fault.options)
    for fault in READ
    if fault.title
    in (
        *("Reset in the body", "Silence in the body", "404 for data", "503 for data"),
        *("Shorter, with a length that fits", "Other bytes than asked for"),
        "One byte changed on the way",
    )
)

FIND = (
    Fault("find", "Connections are refused", Order("refused")),
    Fault("find", "500 for the list", status(500, LIST)),
    Fault("find", "403 for one file", status(403, HEAD, keys="1.pp")),
    Fault("find", "404 for one file", status(404, HEAD, keys="1.pp")),
    Fault("find", "500 for one file", status(500, HEAD, keys="1.pp")),
    Fault("find", "500 for one file, once", status(500, HEAD, 1, "1.pp"), PATIENT),
)

CATALOGUE = (*WAIT, *READ, *WRITE, *CHANGE, *FIND)
