"""The site's audit, which is a chain as either side keeps it (`protocols/runtime/audit_chain.py`)."""

from protocols.runtime.audit_chain import (
    FILE,
    FIRST,
    KEY,
    KEYED,
    ChainLine,
    act,
    append,
    damaged,
    head,
    lines,
    locked,
    record,
    whole_lines,
)

__all__ = [
    "FILE",
    "FIRST",
    "KEY",
    "KEYED",
    "ChainLine",
    "act",
    "append",
    "damaged",
    "head",
    "lines",
    "locked",
    "record",
    "whole_lines",
]
