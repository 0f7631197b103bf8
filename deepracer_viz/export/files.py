"""Tables as bytes: CSV for spreadsheets, Parquet for everything else.

Both are written piece by piece, so that a million steps take little more memory than the file itself, and by Arrow,
which leaves the other visitors of a page their share of the processor meanwhile.
"""

import os
import re
from collections.abc import Iterator
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
from pyarrow import csv, parquet

ROWS_AT_ONCE = 50_000
"""Rows that are converted at a time; also the size of a row group in Parquet."""

LONGEST_NAME = 80
"""Characters of a model's name that a file name keeps."""


def write_csv(table: pd.DataFrame, file: "str | os.PathLike | BinaryIO") -> None:
    """Write a table as CSV (UTF-8, with a header).

    Parameters
    ----------
    table : pandas.DataFrame
        Its index is left out. A list in a cell is written with ";" between its values. Text that a spreadsheet
        would take for a formula gets an apostrophe before it, since names in it come from strangers' files [1]_.
    file : path or binary file
        Where to; an open file stays open.

    References
    ----------
    .. [1] OWASP, "CSV Injection", https://owasp.org/www-community/attacks/CSV_Injection.
    """
    lists = [name for name in table if len(table) and isinstance(table[name].iloc[0], list)]
    table = table.assign(**{name: [";".join(map(str, cell)) for cell in table[name]] for name in lists})
    texts = [name for name in table if isinstance(table[name].dtype, pd.StringDtype)]
    formulas = {name: table[name].str.replace(r"^(?=[=+\-@\t\r])", "'", regex=True) for name in texts}
    table = table.assign(**formulas)
    schema = _schema(table)
    with csv.CSVWriter(file, schema) as writer:
        for piece in _pieces(table, schema):
            writer.write_table(piece)


def write_parquet(table: pd.DataFrame, file: "str | os.PathLike | BinaryIO") -> None:
    """Write a table as Parquet: a fraction of the size of CSV, and every column keeps its type.

    Parameters
    ----------
    table : pandas.DataFrame
        Its index is left out.
    file : path or binary file
        Where to; an open file stays open.
    """
    schema = _schema(table)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for piece in _pieces(table, schema):
            writer.write_table(piece)


def safe_name(model: str, what: str, ending: str) -> str:
    """Return a file name of letters, digits, "-", "_" and "." alone, whatever the model is called.

    Parameters
    ----------
    model : str
        Name of a model, such as a stranger may have chosen.
    what : str
        What of it the file holds.
    ending : str
        Without its dot.

    Returns
    -------
    str
    """
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", model)
    # Two dots in a row mean a folder above to some programs, one at the start a hidden file.
    kept = re.sub(r"\.{2,}", ".", kept)[:LONGEST_NAME].strip("-._")
    return f"{kept or 'model'}_{what}.{ending}"


def _schema(table: pd.DataFrame) -> pa.Schema:
    bare = table.copy(deep=False)
    # What analyses note on a table is for their callers and need not be JSON.
    bare.attrs = {}
    return pa.Schema.from_pandas(bare, preserve_index=False)


def _pieces(table: pd.DataFrame, schema: pa.Schema) -> Iterator[pa.Table]:
    """The table in pieces, one empty piece of an empty table."""
    for first in range(0, max(len(table), 1), ROWS_AT_ONCE):
        piece = table.iloc[first : first + ROWS_AT_ONCE]
        yield pa.Table.from_pandas(piece, schema, preserve_index=False)
