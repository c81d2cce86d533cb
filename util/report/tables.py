"""Tables of text that read well in a terminal and in Markdown."""

from collections.abc import Sequence


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns; the first column and those of words are flush left.

    Raises:
        ValueError: when a row is not as long as the header.
    """
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"expected rows of {len(header)} cells, got {list(row)}")
    columns = list(zip(header, *rows, strict=True))
    widths = [max(3, *(len(cell) for cell in column)) for column in columns]
    is_number = [any(cells) and all(map(_is_number, cells)) for _, *cells in columns]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, is_number, strict=True)
        )
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * (width - 1) + ":" if right else "-" * width for width, right in zip(widths, is_number, strict=True)]
    return "\n".join([line(header), "|" + "|".join(f" {cell} " for cell in rule) + "|", *map(line, rows)])


def _is_number(cell: str) -> bool:
    return not cell or cell[0] in "-+.0123456789?"
