"""Colours and markers of figures: told apart by colour-blind readers, and without colours too."""

INK, MUTED, RULE = "#1d2733", "#66717e", "#d7dde4"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F6000", "#4D4D4D")
"""Okabe and Ito's palette, with a dark yellow and a grey in the place of yellow and black."""
MARKERS = ("circle", "square", "triangle", "diamond")
NEGATIVE, MIDDLE, POSITIVE = (0, 114, 178), (247, 247, 247), (213, 94, 0)
"""The ends and the middle of a heat map's colours, as red, green, blue."""


def colour(index: int) -> str:
    """The colour of the index-th series."""
    return COLOURS[index % len(COLOURS)]


def marker(index: int) -> str:
    """The marker of the index-th series."""
    return MARKERS[index % len(MARKERS)]


def cell_colour(value: float, low: float, high: float) -> str:
    """The colour of a heat map's cell: 0 is near white, `low` blue and `high` orange."""
    end, share = (
        (POSITIVE, value / high) if value >= 0 and high > 0 else (NEGATIVE, value / low if low < 0 else 0)
    )
    share = min(max(share, 0.0), 1.0)
    mixed = (round(m + (e - m) * share) for m, e in zip(MIDDLE, end, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def dark(hex_colour: str) -> bool:
    """Whether white text is read better on a colour than black (its relative luminance is low)."""
    r, g, b = (int(hex_colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b < 140
