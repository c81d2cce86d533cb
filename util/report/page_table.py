"""A table of numbers on a result page."""

import math

from dominate import tags

from util.report.page_data import MISSING, Estimate


def draw_table(rows: list[dict[str, object]]) -> None:
    """Add a table to the open HTML element; ``write_page`` says what the rows are."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    best = {column: _best(column, rows) for column in columns}
    look = {column: {"cls": "words"} if _is_of_words(column, rows) else {} for column in columns}
    with tags.div(cls="scroll", role="region", aria_label="Table of numbers", tabindex="0"), tags.table():
        with tags.thead(), tags.tr():
            for column in columns:
                tags.th(column, scope="col", **look[column])
        with tags.tbody():
            for row in rows:
                with tags.tr():
                    tags.th(_cell(columns[0], row.get(columns[0])), scope="row")
                    for column in columns[1:]:
                        value = row.get(column)
                        text = _cell(column, value)
                        with tags.td(**look[column]):
                            (tags.b if text == best[column] else tags.span)(text)
                            if isinstance(value, Estimate) and value.low is not None and value.high is not None:
                                ends = (value._replace(value=end) for end in (value.low, value.high))
                                tags.small(" to ".join(_cell(column, end) for end in ends))


def _is_of_words(column: str, rows: list[dict[str, object]]) -> bool:
    """Whether a column holds a text that is no number."""

    def is_word(value: object) -> bool:
        try:
            float(value) if isinstance(value, str) and value else 0.0
        except ValueError:
            return value not in (MISSING, "?")
        return False

    return any(is_word(row.get(column)) for row in rows)


def _number(value: object) -> float | None:
    """What is compared with the other rows of a column; None where there is no number."""
    if isinstance(value, Estimate):
        value = None if value.is_difference else value.value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
    return float(str(value)) if is_number else None


def _best(column: str, rows: list[dict[str, object]]) -> str | None:
    """The best value as it is printed, in columns that say what is better and have more than one; equals share it."""
    numbers = [number for row in rows if (number := _number(row.get(column))) is not None]
    better = min if column.endswith("↓") else max
    is_compared = column.endswith("↓") or any(sign in column.lower() for sign in ("psnr", "ssim", "↑"))
    return _cell(column, better(numbers)) if is_compared and len(numbers) > 1 else None


def _cell(column: str, value: object) -> str:
    """A value as the table prints it: decibels with 2 decimals, SSIM with 4, other fractions with 4 digits."""
    if isinstance(value, Estimate):
        if value.is_difference:
            return f"{value.value:+.3g}"
        value = value.value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (int, float)):
        return str(value)
    if "psnr" in column.lower():
        return f"{value:.2f}"
    if "ssim" in column.lower():
        return f"{value:.4f}"
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"
