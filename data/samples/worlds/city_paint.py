"""Textures of the toy city: its walls, roads, cars and trees from near by."""

from collections.abc import Sequence

import cv2
import numpy as np

from data.samples.worlds.city_render import Texture

Colour = Sequence[float] | np.ndarray

WALLS = ((214, 200, 172), (190, 104, 78), (226, 219, 205), (172, 152, 128), (204, 170, 120), (150, 160, 168),
         (222, 186, 160), (160, 88, 70), (196, 196, 186), (186, 178, 140))  # fmt: skip
SHOP_SIGNS = ((160, 38, 40), (30, 84, 140), (34, 104, 70), (214, 158, 40), (60, 50, 90), (36, 36, 40))
CLOTHES = ((176, 48, 46), (40, 70, 130), (60, 60, 66), (210, 205, 196), (52, 104, 72), (196, 152, 70), (122, 74, 118),
           (90, 126, 150))  # fmt: skip
TROUSERS = ((44, 52, 82), (52, 50, 50), (112, 98, 78), (30, 32, 40), (86, 92, 104))
SKINS = ((232, 190, 164), (198, 150, 118), (140, 96, 70), (222, 178, 146))
LEAVES = ((104, 132, 58), (86, 118, 60), (120, 136, 64), (146, 132, 62))
HAIRS = ((50, 36, 28), (96, 66, 40), (30, 28, 28), (170, 130, 80), (130, 126, 122))


def noise(
    rng: np.random.Generator, height: int, width: int, *, cells: Sequence[float], keep: float = 0.6
) -> np.ndarray:
    """Cloudy noise, float32 [height, width], about -1 to 1.

    Args:
        rng: what is drawn from.
        height, width: pixels.
        cells: sizes of the spots in pixels, the strongest first.
        keep: each next size has this share of the strength.
    """
    total: np.ndarray = np.zeros((height, width), np.float32)
    weight = 1.0
    for cell in cells:
        shape = max(2, round(height / cell)), max(2, round(width / cell))
        grid = rng.uniform(-1, 1, shape).astype(np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        weight *= keep
    return total


class Canvas:
    """A picture measured in metres, the origin at its lower left."""

    def __init__(self, width: float, height: float, *, scale: float, colour: Colour = (0, 0, 0)) -> None:
        """A canvas of one colour, ``scale`` pixels a metre."""
        self.scale, self.height = scale, height
        self.picture = np.empty((round(height * scale), round(width * scale), 3), np.uint8)
        self.picture[:] = scaled(colour, 1)

    def _pixel(self, x: float, y: float) -> tuple[int, int]:
        return round(x * self.scale), round((self.height - y) * self.scale)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """Fill a rectangle whose lower left is (x, y)."""
        (left, bottom), (right, top) = self._pixel(x, y), self._pixel(x + width, y + height)
        rows, columns = self.picture.shape[:2]
        self.picture[max(0, top) : min(rows, bottom), max(0, left) : min(columns, right)] = scaled(colour, 1)

    def shape(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        """Fill a polygon."""
        pixels = np.array([self._pixel(*point) for point in points], np.int32)
        cv2.fillPoly(self.picture, [pixels], tuple(map(float, colour)), cv2.LINE_AA)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Fill a circle."""
        cv2.circle(
            self.picture, self._pixel(x, y), round(radius * self.scale), tuple(map(float, colour)), -1, cv2.LINE_AA
        )

    def line(self, start: tuple[float, float], end: tuple[float, float], width: float, colour: Colour) -> None:
        """Draw a line."""
        thickness = max(1, round(width * self.scale))
        cv2.line(
            self.picture, self._pixel(*start), self._pixel(*end), tuple(map(float, colour)), thickness, cv2.LINE_AA
        )

    def shaded(self, factor: np.ndarray) -> np.ndarray:
        """The picture times ``factor`` [H, W] or [H, 1]."""
        return np.clip(self.picture * factor[..., None], 0, 255).astype(np.uint8)


def scaled(colour: Colour, factor: float) -> tuple[float, float, float]:
    """A lighter or darker shade."""
    red, green, blue = (min(255.0, part * factor) for part in colour)
    return red, green, blue


# ---- houses

FACADE_SCALE = 36.0
GROUND_FLOOR = 3.8


def facade(
    rng: np.random.Generator, width: float, height: float, *, wall: Colour, has_shop: bool, is_sunlit: bool
) -> Texture:
    """The front of a house: shop or door below, rows of windows above, a cornice on top."""
    canvas = Canvas(width, height, scale=FACADE_SCALE, colour=wall)
    _wall_pattern(rng, canvas, wall)
    num_floors = max(1, round((height - GROUND_FLOOR - 0.6) / 3.1))
    floor = (height - GROUND_FLOOR - 0.6) / num_floors
    num_windows = max(2, round(width / rng.uniform(2.0, 2.9)))
    bay = width / num_windows
    window = rng.uniform(0.95, 1.25), rng.uniform(1.6, 1.9)
    trim = scaled(wall, 1.18) if rng.random() < 0.6 else (238, 234, 226)
    frame = [(240, 240, 236), (92, 66, 48), (70, 76, 82)][rng.integers(3)]
    has_balconies, has_arches = rng.random() < 0.35, rng.random() < 0.3
    for storey in range(num_floors):
        base = GROUND_FLOOR + storey * floor
        canvas.box(0, base - 0.1, width, 0.12, scaled(wall, 1.12))
        canvas.box(0, base - 0.16, width, 0.06, scaled(wall, 0.72))
        for column in range(num_windows):
            left = (column + 0.5) * bay - window[0] / 2
            _window(rng, canvas, left, base + 0.75, *window, frame=frame, trim=trim, has_arch=has_arches)
            if has_balconies and column % 2 and storey:
                _balcony(canvas, left - 0.3, base + 0.05, window[0] + 0.6)
    if has_shop:
        _shop(rng, canvas, width)
    else:
        _plinth_and_door(rng, canvas, width, num_windows, bay, window, frame, trim)
    for below, thickness, factor in ((0.62, 0.1, 0.6), (0.52, 0.25, 1.1), (0.3, 0.3, 1.22)):
        canvas.box(0, height - below, width, thickness, scaled(wall, factor))
    canvas.box(width - 0.14, GROUND_FLOOR, 0.1, height - GROUND_FLOOR - 0.6, (92, 96, 98))  # the rain pipe
    return Texture(_weathered(rng, canvas, is_sunlit=is_sunlit))


def _wall_pattern(rng: np.random.Generator, canvas: Canvas, wall: Colour) -> None:
    rows, columns = canvas.picture.shape[:2]
    if wall[0] > wall[2] * 1.7:  # red or ochre: bricks
        brick_rows, brick_columns = -(-rows // 4), -(-columns // 12)
        shade = rng.uniform(0.84, 1.12, (brick_rows, brick_columns)).astype(np.float32)
        bricks = np.kron(shade, np.ones((4, 12), np.float32))
        bricks[3::4] *= 0.88
        bricks[:4, ::12] *= 0.88
        canvas.picture[:] = np.clip(canvas.picture * bricks[:rows, :columns, None], 0, 255)
        return
    grain = 1 + 0.035 * noise(rng, rows, columns, cells=(3, 1.5))
    canvas.picture[:] = np.clip(canvas.picture * grain[..., None], 0, 255)


def _window(
    rng: np.random.Generator, canvas: Canvas, x: float, y: float, width: float, height: float, *,
    frame: Colour, trim: Colour, has_arch: bool,
) -> None:  # fmt: skip
    canvas.box(x - 0.14, y - 0.1, width + 0.28, height + 0.26, trim)
    canvas.box(x - 0.2, y + height + 0.12, width + 0.4, 0.13, scaled(trim, 1.08))
    canvas.box(x - 0.2, y + height + 0.08, width + 0.4, 0.05, scaled(trim, 0.62))
    canvas.box(x, y, width, height, frame)
    # the glass shows the sky above and the dark room below
    dark, sky = np.array((44.0, 54, 64)), np.array((134.0, 158, 178)) * rng.uniform(0.72, 1.05)
    for step in range(8):
        share = (step / 7) ** 1.5
        canvas.box(x + 0.06, y + 0.06 + step * (height - 0.12) / 8, width - 0.12, (height - 0.12) / 8 + 0.02,
                   dark + (sky - dark) * share * 0.8)  # fmt: skip
    if rng.random() < 0.55:
        curtain = scaled([(226, 222, 210), (206, 190, 160), (196, 206, 214)][rng.integers(3)], rng.uniform(0.7, 0.95))
        part = rng.uniform(0.18, 0.34) * width
        canvas.box(x + 0.06, y + 0.06, part, height - 0.12, curtain)
        canvas.box(x + width - 0.06 - part, y + 0.06, part, height - 0.12, curtain)
    elif rng.random() < 0.3:
        blind = rng.uniform(0.3, 0.75) * height
        canvas.box(x + 0.06, y + height - blind, width - 0.12, blind - 0.06, (206, 200, 186))
    canvas.box(x + width / 2 - 0.04, y, 0.08, height, frame)
    canvas.box(x, y + height * 0.68, width, 0.07, frame)
    canvas.box(x, y + height - 0.07, width, 0.07, scaled(frame, 0.5))  # the wall's own shadow
    canvas.box(x, y, 0.05, height, scaled(frame, 0.6))
    canvas.box(x - 0.2, y - 0.14, width + 0.4, 0.12, scaled(trim, 1.1))
    canvas.box(x - 0.16, y - 0.24, width + 0.32, 0.1, scaled(trim, 0.66))
    if has_arch:
        canvas.disc(x + width / 2, y + height + 0.3, 0.16, scaled(trim, 0.8))


def _balcony(canvas: Canvas, x: float, y: float, width: float) -> None:
    canvas.box(x, y, width, 0.14, (186, 180, 168))
    canvas.box(x, y - 0.1, width, 0.1, (84, 80, 76))
    canvas.box(x, y + 0.95, width, 0.07, (50, 52, 54))
    for bar in np.arange(0, width, 0.16):
        canvas.box(x + bar, y + 0.14, 0.05, 0.85, (50, 52, 54))


def _shop(rng: np.random.Generator, canvas: Canvas, width: float) -> None:
    sign = SHOP_SIGNS[rng.integers(len(SHOP_SIGNS))]
    canvas.box(0, 0, width, GROUND_FLOOR - 0.1, scaled(sign, 0.55))
    canvas.box(0, 0, width, 0.4, (96, 92, 88))
    num_panes = max(2, round(width / 2.6))
    door, pane = int(rng.integers(num_panes)), (width - 0.5) / num_panes
    for column in range(num_panes):
        left, base = 0.25 + column * pane + 0.12, 0.05 if column == door else 0.5
        wide, high = pane - 0.24, 2.75 - base
        for step in range(10):
            share = step / 9
            canvas.box(left, base + step * high / 10, wide, high / 10 + 0.03,
                       (70 + 60 * share, 74 + 66 * share, 74 + 66 * share))  # fmt: skip
        for _ in range(0 if column == door else 7):  # the goods, lit from within
            x, tall = left + rng.uniform(0.05, max(0.06, wide - 0.4)), rng.uniform(0.3, 1.1)
            canvas.box(x, base + 0.05, rng.uniform(0.18, 0.4), tall, rng.uniform(90, 225, 3))
        if column == door:
            canvas.box(left + wide / 2 - 0.05, base, 0.1, high, scaled(sign, 0.8))
            canvas.box(left + wide / 2 + 0.12, 1.0, 0.06, 0.4, (220, 216, 200))
        canvas.box(left, base + high - 0.12, wide, 0.12, (40, 42, 44))
    canvas.box(0.15, 2.85, width - 0.3, 0.75, sign)
    letters = width * 0.22
    while letters < width * 0.75:  # nobody can read it, as on any sign that passes
        size = rng.uniform(0.16, 0.3)
        canvas.box(letters, 3.05, size, 0.36, (244, 238, 220))
        canvas.box(letters + 0.08, 3.05 + rng.choice([0.0, 0.12]), size - 0.14, 0.14, sign)
        letters += size + rng.choice([0.08, 0.08, 0.3])
    if rng.random() < 0.6:
        stripe = 0.5
        for number, x in enumerate(np.arange(0.15, width - 0.15, stripe)):
            colour = (236, 230, 216) if number % 2 else scaled(sign, 1.15)
            canvas.box(x, 2.2, min(stripe, width - 0.15 - x), 0.65, colour)
            canvas.box(x, 2.14, min(stripe, width - 0.15 - x), 0.12, scaled(colour, 0.75))
        canvas.box(0.15, 1.95, width - 0.3, 0.19, (42, 44, 46))


def _plinth_and_door(
    rng: np.random.Generator, canvas: Canvas, width: float, num_windows: int, bay: float,
    window: tuple[float, float], frame: Colour, trim: Colour,
) -> None:  # fmt: skip
    canvas.box(0, 0, width, 0.7, (136, 130, 122))
    canvas.box(0, 0.7, width, 0.07, (166, 160, 150))
    entrance = int(rng.integers(num_windows))
    for column in range(num_windows):
        middle = (column + 0.5) * bay
        if column != entrance:
            _window(rng, canvas, middle - window[0] / 2, 1.25, *window, frame=frame, trim=trim, has_arch=False)
            continue
        colour = [(92, 40, 36), (40, 72, 58), (38, 56, 92), (96, 70, 46)][rng.integers(4)]
        canvas.box(middle - 0.8, 0, 1.6, 3.1, trim)
        canvas.box(middle - 0.62, 0.25, 1.24, 2.7, scaled(colour, 0.5))
        canvas.box(middle - 0.56, 0.25, 1.12, 2.15, colour)
        for x, y in ((-0.42, 0.45), (0.08, 0.45), (-0.42, 1.4), (0.08, 1.4)):
            canvas.box(middle + x, y, 0.34, 0.75, scaled(colour, 1.3))
        canvas.box(middle - 0.5, 2.5, 1.0, 0.38, (110, 128, 140))
        canvas.box(middle - 0.9, 0, 1.8, 0.22, (178, 172, 162))


def _weathered(rng: np.random.Generator, canvas: Canvas, *, is_sunlit: bool) -> np.ndarray:
    """Stains, streaks from the rain, and less light at the foot."""
    rows, columns = canvas.picture.shape[:2]
    stains = 1 + 0.05 * noise(rng, rows, columns, cells=(140, 60, 24))
    streaks = 1 + 0.03 * noise(rng, max(2, rows // 40), columns, cells=(5,))
    stains *= cv2.resize(streaks, (columns, rows))
    up = np.linspace(canvas.height, 0, rows)[:, None]
    foot = 1 - (0.12 if is_sunlit else 0.24) * np.exp(-up / 2.2)
    return canvas.shaded(stains * foot)


def blind_wall(rng: np.random.Generator, width: float, height: float, *, wall: Colour, gable: float) -> Texture:
    """The side of a house, with a few windows; its top ``gable`` metres are a triangle."""
    canvas = Canvas(width, height, scale=20, colour=scaled(wall, 0.94))
    _wall_pattern(rng, canvas, wall)
    canvas.box(0, 0, width, 0.7, (136, 130, 122))
    for base in np.arange(4.2, height - gable - 2.0, 3.1):
        for x in np.arange(1.6, width - 2, 3.4):
            if rng.random() < 0.6:
                _window(rng, canvas, x, base, 1.0, 1.6, frame=(236, 236, 230), trim=scaled(wall, 1.1), has_arch=False)
    opacity = Canvas(width, height, scale=20)
    opacity.shape([(0, 0), (width, 0), (width, height - gable), (width / 2, height), (0, height - gable)], (255,) * 3)
    return Texture(_weathered(rng, canvas, is_sunlit=False), opacity=opacity.picture[..., 0].copy())


def roof(rng: np.random.Generator, width: float, length: float) -> Texture:
    """Tiles in rows, with a dormer window here and there."""
    colour = [(150, 78, 58), (98, 96, 98), (126, 72, 56), (84, 84, 92)][rng.integers(4)]
    canvas = Canvas(width, length, scale=20, colour=colour)
    rows, columns = canvas.picture.shape[:2]
    tiles = np.kron(rng.uniform(0.86, 1.12, (-(-rows // 6), -(-columns // 5))), np.ones((6, 5)))[:rows, :columns]
    tiles[::6] *= 0.75
    canvas.picture[:] = canvas.shaded(tiles)
    for x in np.arange(1.2, width - 1.5, 3.0):
        if rng.random() < 0.5:
            canvas.box(x, length * 0.35, 1.0, 1.3, (70, 74, 80))
            canvas.box(x + 0.1, length * 0.35 + 0.1, 0.8, 1.1, (150, 172, 190))
    return Texture(canvas.picture)


# ---- the ground

ROAD_SCALE = 56.0
TILE = 36.0
"""The road's picture repeats after so many metres."""


def road(rng: np.random.Generator, width: float, *, parking: float, repeat: float) -> Texture:
    """Asphalt with lane marks: dashes in the middle, lines before the parking places; x to the right, z up."""
    canvas = Canvas(width, TILE, scale=ROAD_SCALE, colour=(104, 104, 107))
    rows, columns = canvas.picture.shape[:2]
    patches = [(rng.uniform(0.3, width - 2), rng.uniform(0, TILE - 4), rng.uniform(0.7, 2.4), rng.uniform(1, 4))
               for _ in range(7)]  # fmt: skip
    for number, (x, z, wide, long) in enumerate(patches):
        canvas.box(x, z, wide, long, scaled((104, 104, 107), 0.8 if number % 2 else 1.1))
    for z in np.arange(0, TILE, 6.0):
        canvas.box(width / 2 - 0.08, z + 1.2, 0.16, 3.0, (226, 226, 220))
    for x in (parking, width - parking):
        canvas.box(x - 0.06, 0, 0.12, TILE, (206, 206, 200))
        for z in np.arange(0, TILE, 6.0):
            canvas.box(x if x > width / 2 else x - 0.6, z, 0.6, 0.12, (206, 206, 200))
    for x, z in ((width * 0.32, 7.3), (width * 0.66, 22.1)):
        canvas.disc(x, z, 0.36, (66, 66, 68))
        canvas.disc(x, z, 0.31, (88, 88, 90))
        for bar in (-0.15, 0.0, 0.15):
            canvas.box(x - 0.2, z + bar - 0.02, 0.4, 0.05, (58, 58, 60))
    for _ in range(5):  # cracks
        points = np.cumsum(rng.normal(0, 0.16, (24, 2)) + (0.02, 0.16), axis=0) + rng.uniform((1, 2), (width - 1, 30))
        for start, end in zip(points, points[1:], strict=False):
            canvas.line(tuple(start), tuple(end), 0.03, (70, 70, 72))
    across = (np.arange(columns) + 0.5) / ROAD_SCALE
    worn = np.zeros(columns)
    for lane in (width / 2 - (width / 2 - parking) / 2, width / 2 + (width / 2 - parking) / 2):
        for wheel in (-0.75, 0.75):
            worn += 0.07 * np.exp(-(((across - lane - wheel) / 0.28) ** 2))
        worn -= 0.06 * np.exp(-(((across - lane) / 0.3) ** 2))  # oil drips between the wheels
    grain = 1 + 0.05 * noise(rng, rows, columns, cells=(2.0, 5)) + 0.05 * noise(rng, rows, columns, cells=(150, 50))
    return Texture(canvas.shaded(grain + worn), repeat=(1, repeat))


def asphalt(rng: np.random.Generator, width: float, length: float) -> Texture:
    """A side road without marks."""
    canvas = Canvas(width, length, scale=20, colour=(100, 100, 103))
    rows, columns = canvas.picture.shape[:2]
    return Texture(canvas.shaded(1 + 0.07 * noise(rng, rows, columns, cells=(2, 5, 60))))


def crossing(width: float) -> Texture:
    """The white bars of a pedestrian crossing, on nothing."""
    canvas, opacity = Canvas(width, 3, scale=40, colour=(222, 222, 216)), Canvas(width, 3, scale=40)
    for x in np.arange(0.4, width - 0.6, 1.0):
        opacity.box(x, 0, 0.5, 3, (255, 255, 255))
    return Texture(canvas.picture, opacity=opacity.picture[..., 0].copy())


def pavement(rng: np.random.Generator, width: float, *, repeat: float) -> Texture:
    """Square slabs with a kerb stone at the left."""
    scale, length = 48, 12.0
    canvas = Canvas(width, length, scale=scale, colour=(168, 162, 152))
    for x in np.arange(0.3, width, 0.6):
        for z in np.arange(0, length, 0.6):
            canvas.box(x, z, 0.6, 0.6, np.array((170, 164, 154)) * rng.uniform(0.9, 1.06))
    for x in np.arange(0.3, width, 0.6):
        canvas.box(x - 0.02, 0, 0.04, length, (132, 126, 118))
    for z in np.arange(0, length, 0.6):
        canvas.box(0, z, width, 0.04, (132, 126, 118))
    for z in np.arange(0, length, 1.2):
        canvas.box(0, z, 0.28, 1.16, np.array((188, 186, 180)) * rng.uniform(0.94, 1.04))
    rows, columns = canvas.picture.shape[:2]
    grain = 1 + 0.04 * noise(rng, rows, columns, cells=(2, 4)) + 0.04 * noise(rng, rows, columns, cells=(120, 40))
    return Texture(canvas.shaded(grain), repeat=(1, repeat))


def grass(rng: np.random.Generator, width: float, length: float) -> Texture:
    """A lawn."""
    canvas = Canvas(width, length, scale=24, colour=(106, 132, 62))
    rows, columns = canvas.picture.shape[:2]
    return Texture(canvas.shaded(1 + 0.16 * noise(rng, rows, columns, cells=(40, 8, 3), keep=0.8)))


def stones(rng: np.random.Generator, width: float, height: float) -> Texture:
    """A low wall of hewn stones with a coping."""
    canvas = Canvas(width, height, scale=40, colour=(120, 112, 102))
    for row, y in enumerate(np.arange(0, height - 0.15, 0.22)):
        for x in np.arange(-0.3 * (row % 2), width, 0.6):
            canvas.box(x + 0.02, y + 0.02, 0.56, 0.18, np.array((168, 156, 138)) * rng.uniform(0.78, 1.08))
    canvas.box(0, height - 0.14, width, 0.14, (190, 182, 168))
    canvas.box(0, height - 0.17, width, 0.04, (96, 90, 84))
    return Texture(canvas.picture)


def plain(colour: Colour) -> Texture:
    """One colour."""
    return Texture(Canvas(4, 4, scale=1, colour=colour).picture)


# ---- the sky and what grows


def sky(rng: np.random.Generator, *, horizon: Colour) -> Texture:
    """Blue above, haze at the horizon, heaped clouds; the lowest fifth is below the horizon."""
    rows, columns = 512, 1024
    up = np.clip(np.linspace(1, -0.25, rows), 0, 1)[:, None, None].astype(np.float32)
    zenith, low = np.array((84, 136, 204), np.float32), np.asarray(horizon, np.float32)
    colour = low + (zenith - low) * up**0.6
    # clouds are wider than high
    billows = noise(rng, rows, columns // 2, cells=(150, 70, 33, 16, 8), keep=0.56)
    billows = cv2.resize(billows, (columns, rows), interpolation=cv2.INTER_CUBIC)[..., None]
    density = np.clip((billows - 0.02) * 1.7, 0, 1) * np.clip(up * 4 - 0.2, 0, 1)
    shade = np.clip(0.5 + 0.9 * (np.roll(billows, -12, axis=0) - billows) + 0.35 * density, 0, 1)
    cloud = np.array((252, 252, 250), np.float32) - np.array((46, 40, 30), np.float32) * shade
    return Texture(np.clip(colour + (cloud - colour) * density * 0.9, 0, 255).astype(np.uint8))


def crown(rng: np.random.Generator, *, tint: Colour, size: int = 288) -> Texture:
    """The leaves of a tree: clumps lit from the upper left, with gaps."""
    picture = np.empty((size, size, 3), np.uint8)
    picture[:] = scaled(tint, 0.5)
    opacity = np.zeros((size, size), np.uint8)
    angle, radius = rng.uniform(0, 2 * np.pi, 620), np.sqrt(rng.uniform(0, 1, 620))
    centres = np.stack((np.cos(angle) * radius * 0.4, np.sin(angle) * radius * 0.38), axis=1)
    lobes = 1 + 0.16 * np.sin(3 * angle + rng.uniform(0, 6)) + 0.1 * np.sin(7 * angle + rng.uniform(0, 6))
    centres *= lobes[:, None]
    # from the shade at the lower right to the light at the upper left, as a painter would
    height = -centres[:, 1] * 1.1 - centres[:, 0] * 0.6 + rng.normal(0, 0.16, len(centres))
    for number in np.argsort(height, kind="stable"):
        centre = np.round((centres[number] + 0.5) * size).astype(int)
        light = np.clip(0.74 + 0.85 * height[number], 0.42, 1.4) * rng.uniform(0.86, 1.12)
        clump = max(3, round(rng.uniform(0.012, 0.04) * size))
        axes = clump, max(2, round(clump * rng.uniform(0.45, 0.8)))
        turn = float(rng.uniform(0, 180))
        place = int(centre[0]), int(centre[1])
        cv2.ellipse(picture, place, axes, turn, 0, 360, scaled(tint, float(light)), -1, cv2.LINE_AA)
        cv2.ellipse(opacity, place, axes, turn, 0, 360, 255, -1, cv2.LINE_AA)
    grain = 1 + 0.16 * noise(rng, size, size, cells=(5, 2.5))
    return Texture(np.clip(picture * grain[..., None], 0, 255).astype(np.uint8), opacity=opacity)


def bark(rng: np.random.Generator) -> Texture:
    """A round trunk."""
    around = np.sqrt(np.clip(1 - np.linspace(-0.9, 0.75, 32) ** 2, 0, 1))
    furrows = 1 + 0.16 * noise(rng, 128, 32, cells=(3,)) * np.ones((128, 1))
    colour = np.array((104, 86, 68)) * (0.55 + 0.6 * around)[None, :, None] * furrows[..., None]
    return Texture(np.clip(colour, 0, 255).astype(np.uint8))


def hedge(rng: np.random.Generator, width: float, height: float) -> Texture:
    """A row of bushes with an uneven top."""
    scale = 24
    rows, columns = round(height * scale), round(width * scale)
    leaves = 1 + 0.34 * noise(rng, rows, columns, cells=(30, 10, 4), keep=0.8)
    down = np.linspace(0, 1, rows)[:, None]
    colour = np.array((84, 112, 54)) * (leaves * (1.1 - 0.5 * down))[..., None]
    top = 0.18 * height * (1 + noise(rng, 2, columns, cells=(30, 9, 4))[0])
    opacity = np.where(down * height > top[None], 255, 0).astype(np.uint8)
    return Texture(np.clip(colour, 0, 255).astype(np.uint8), opacity=opacity)


# ---- things at the kerb


def round_post(colour: Colour) -> Texture:
    """A pole, lit from the left."""
    around = 0.6 + 0.55 * np.sqrt(np.clip(1 - np.linspace(-0.7, 0.98, 16) ** 2, 0, 1))
    picture = np.asarray(colour)[None, None] * around[None, :, None] * np.ones((16, 1, 1))
    return Texture(np.clip(picture, 0, 255).astype(np.uint8))


def traffic_light(*, lit: int) -> Texture:
    """Three lamps, of which number ``lit`` from above shines."""
    canvas = Canvas(0.36, 1.0, scale=160, colour=(34, 36, 36))
    colours = ((236, 48, 38), (246, 186, 40), (60, 226, 120))
    for number, colour in enumerate(colours):
        y = 0.82 - 0.32 * number
        canvas.disc(0.18, y, 0.135, (16, 16, 16))
        canvas.disc(0.18, y, 0.115, colour if number == lit else scaled(colour, 0.22))
    return Texture(canvas.picture)


def traffic_sign(rng: np.random.Generator) -> Texture:
    """A speed limit, a warning or a parking place."""
    canvas, opacity = Canvas(0.8, 0.8, scale=96, colour=(240, 240, 236)), Canvas(0.8, 0.8, scale=96)
    white, red, black = (255, 255, 255), (196, 30, 34), (24, 24, 24)
    kind = rng.integers(3)
    if kind == 0:
        opacity.disc(0.4, 0.4, 0.38, white)
        canvas.disc(0.4, 0.4, 0.4, red)
        canvas.disc(0.4, 0.4, 0.28, (244, 244, 240))
        for x in (0.25, 0.42):
            canvas.box(x, 0.28, 0.12, 0.24, black)
            canvas.box(x + 0.04, 0.33, 0.04, 0.14, (244, 244, 240))
    elif kind == 1:
        triangle = [(0.02, 0.06), (0.78, 0.06), (0.4, 0.76)]
        opacity.shape(triangle, white)
        canvas.shape(triangle, red)
        canvas.shape([(0.18, 0.15), (0.62, 0.15), (0.4, 0.55)], (244, 244, 240))
        canvas.box(0.375, 0.25, 0.05, 0.18, black)
    else:
        opacity.box(0.05, 0.05, 0.7, 0.7, white)
        canvas.box(0.0, 0.0, 0.8, 0.8, (240, 240, 240))
        canvas.box(0.09, 0.09, 0.62, 0.62, (28, 84, 168))
        canvas.box(0.28, 0.2, 0.1, 0.4, (244, 244, 244))
        canvas.disc(0.43, 0.48, 0.13, (244, 244, 244))
        canvas.disc(0.43, 0.48, 0.06, (28, 84, 168))
    return Texture(canvas.picture, opacity=opacity.picture[..., 0].copy())


# ---- people


def limb(colour: Colour, *, end: Colour | None = None, end_share: float = 0.16, taper: float = 0.75) -> Texture:
    """An arm, a leg or a trunk: round, tapered downwards, the last part (a hand, a shoe) in the colour ``end``."""
    rows, columns = 64, 32
    down, across = np.linspace(0, 1, rows)[:, None], np.linspace(-1, 1, columns)[None]
    half = 1 + (taper - 1) * down
    # rounded ends
    half = half * np.sqrt(np.clip(1 - np.clip(np.abs(down - 0.5) * 2 - 0.8, 0, 1) ** 2 / 0.05, 0.02, 1))
    light = 0.66 + 0.5 * np.sqrt(np.clip(1 - (across / 1.25 + 0.25) ** 2, 0, 1))
    rows_end = down > 1 - end_share if end is not None else np.zeros((rows, 1), bool)
    base = np.where(rows_end[..., None], np.asarray(colour if end is None else end, float), np.asarray(colour, float))
    opacity = np.where(np.abs(across) < half, 255, 0).astype(np.uint8)
    return Texture(np.clip(base * light[..., None], 0, 255).astype(np.uint8), opacity=opacity)


def head(skin: Colour, hair: Colour, *, shows_face: bool) -> Texture:
    """A head from the front or from behind."""
    canvas, opacity = Canvas(1, 1.2, scale=64, colour=skin), Canvas(1, 1.2, scale=64)
    size = opacity.picture.shape[1], opacity.picture.shape[0]
    middle, axes = (size[0] // 2, size[1] // 2), (round(size[0] * 0.42), round(size[1] * 0.47))
    cv2.ellipse(opacity.picture, middle, axes, 0, 0, 360, (255, 255, 255), -1, cv2.LINE_AA)
    if shows_face:
        canvas.box(0, 0.86, 1, 0.4, hair)
        canvas.box(0, 0.5, 0.16, 0.5, hair)
        canvas.box(0.84, 0.5, 0.16, 0.5, hair)
        for x in (0.28, 0.58):
            canvas.box(x, 0.62, 0.14, 0.07, (50, 40, 36))
        canvas.box(0.46, 0.46, 0.1, 0.18, scaled(skin, 0.86))
        canvas.box(0.36, 0.28, 0.28, 0.06, (150, 76, 70))
    else:
        canvas.box(0, 0.26, 1, 1, hair)
    light = np.linspace(1.08, 0.78, size[0])[None] * np.ones((size[1], 1))
    return Texture(canvas.shaded(light), opacity=opacity.picture[..., 0].copy())


def bicycle_wheel() -> Texture:
    """A thin tyre with spokes."""
    canvas, opacity = Canvas(1, 1, scale=96, colour=(44, 44, 46)), Canvas(1, 1, scale=96)
    white, nothing = (255, 255, 255), (0, 0, 0)
    opacity.disc(0.5, 0.5, 0.49, white)
    opacity.disc(0.5, 0.5, 0.42, nothing)
    for angle in np.arange(8) * np.pi / 8:
        offset = 0.45 * np.cos(angle), 0.45 * np.sin(angle)
        opacity.line((0.5 - offset[0], 0.5 - offset[1]), (0.5 + offset[0], 0.5 + offset[1]), 0.02, white)
    return Texture(canvas.picture, opacity=opacity.picture[..., 0].copy())


# ---- cars

CAR_SCALE = 88.0


def car_side(colour: Colour, length: float, height: float, wheels: tuple[float, float], radius: float) -> Texture:
    """The body below the windows, seen from its right: the front is at the right."""
    canvas, opacity = Canvas(length, height, scale=CAR_SCALE, colour=colour), Canvas(length, height, scale=CAR_SCALE)
    rows = canvas.picture.shape[0]
    up = np.linspace(height, 0, rows)[:, None]
    # the shoulder shows the sky, the flank below it the street
    light = 0.86 + 0.3 * np.exp(-(((up - height * 0.86) / 0.1) ** 2)) - 0.2 * np.clip(1 - up / (height * 0.5), 0, 1)
    canvas.picture[:] = canvas.shaded(light * np.ones((1, canvas.picture.shape[1])))
    for x in (length * 0.36, length * 0.58):
        canvas.box(x, 0.12, 0.025, height - 0.12, scaled(colour, 0.5))
        canvas.box(x + 0.12, height * 0.74, 0.17, 0.035, scaled(colour, 0.55))
    canvas.box(0, 0, length, 0.14, (42, 42, 44))
    canvas.box(0.0, height * 0.34, length, 0.03, scaled(colour, 0.66))
    canvas.box(length - 0.34, height * 0.62, 0.34, 0.15, (232, 236, 240))
    canvas.box(0, height * 0.58, 0.22, 0.2, (168, 28, 28))
    for wheel in wheels:
        canvas.disc(wheel, radius - 0.22, radius * 1.2, (24, 24, 26))
    low, high = 0.14, height * 0.86
    opacity.shape([(0.04, 0), (length - 0.08, 0), (length, low + 0.1), (length - 0.03, height * 0.66),
                   (length - 0.22, high), (length - 0.9, height), (0.0, height), (0, low)],
                  (255, 255, 255))  # fmt: skip
    return Texture(canvas.picture, opacity=opacity.picture[..., 0].copy())


def car_windows(colour: Colour, length: float, slopes: tuple[float, float]) -> Texture:
    """The side above the body: two windows; ``slopes`` are the shares that rear and front lean."""
    height = 0.55
    canvas, opacity = Canvas(length, height, scale=CAR_SCALE, colour=colour), Canvas(length, height, scale=CAR_SCALE)
    rear, front = slopes[0] * length, (1 - slopes[1]) * length
    outline = [(0, 0), (length, 0), (front, height), (rear, height)]
    opacity.shape(outline, (255, 255, 255))
    glass, lit = (42, 50, 58), (104, 124, 140)
    pillar = length * 0.52
    canvas.shape([(0.16, 0.05), (pillar - 0.04, 0.05), (pillar - 0.04, height - 0.07),
                  (rear + 0.1, height - 0.07)], glass)  # fmt: skip
    canvas.shape([(pillar + 0.04, 0.05), (length - 0.14, 0.05), (front - 0.06, height - 0.07),
                  (pillar + 0.04, height - 0.07)], glass)  # fmt: skip
    canvas.shape([(pillar + 0.2, 0.3), (front - 0.1, 0.3), (front - 0.1, height - 0.09),
                  (pillar + 0.2, height - 0.09)], lit)  # fmt: skip
    canvas.shape([(rear + 0.2, 0.3), (pillar - 0.2, 0.3), (pillar - 0.2, height - 0.09),
                  (rear + 0.24, height - 0.09)], lit)  # fmt: skip
    return Texture(cv2.GaussianBlur(canvas.picture, (0, 0), 0.8), opacity=opacity.picture[..., 0].copy())


def car_screen(colour: Colour, width: float, inset: float) -> Texture:
    """Wind screen or rear window: glass in a frame, narrower above by ``inset`` a side."""
    height = 0.8
    canvas, opacity = Canvas(width, height, scale=CAR_SCALE, colour=colour), Canvas(width, height, scale=CAR_SCALE)
    opacity.shape([(0, 0), (width, 0), (width - inset, height), (inset, height)], (255, 255, 255))
    steps = 10
    for step in range(steps):
        low, high = step / steps, (step + 1) / steps
        left_low, left_high = 0.08 + inset * low, 0.08 + inset * high
        share = 0.25 + 0.75 * low
        glass = (38 + 88 * share, 46 + 104 * share, 54 + 116 * share)
        canvas.shape([(left_low, 0.05 + 0.68 * low), (width - left_low, 0.05 + 0.68 * low),
                      (width - left_high, 0.05 + 0.68 * high), (left_high, 0.05 + 0.68 * high)], glass)  # fmt: skip
    for x in (width * 0.3, width * 0.7):  # the head rests
        canvas.box(x - 0.13, 0.06, 0.26, 0.28, (44, 46, 50))
    return Texture(cv2.GaussianBlur(canvas.picture, (0, 0), 1.0), opacity=opacity.picture[..., 0].copy())


def car_end(colour: Colour, width: float, height: float, *, is_rear: bool) -> Texture:
    """The rear with red lights and number plate, or the front with lamps and grille."""
    canvas, opacity = Canvas(width, height, scale=CAR_SCALE, colour=colour), Canvas(width, height, scale=CAR_SCALE)
    canvas.box(0, height * 0.8, width, height * 0.2, scaled(colour, 1.14))
    canvas.box(0, 0, width, height * 0.36, scaled(colour, 0.78))
    canvas.box(0, height * 0.36, width, 0.025, scaled(colour, 0.5))
    canvas.box(0.05, 0, width - 0.1, 0.16, (40, 40, 42))
    plate = (width / 2 - 0.26, height * 0.44 if is_rear else height * 0.14)
    if is_rear:
        for x in (0.03, width - 0.36):
            canvas.box(x, height * 0.55, 0.33, 0.2, (176, 26, 28))
            canvas.box(x + 0.09, height * 0.59, 0.13, 0.08, (244, 124, 96))
        canvas.box(0.4, height * 0.78, width - 0.8, 0.02, scaled(colour, 0.6))
    else:
        canvas.box(width * 0.26, height * 0.44, width * 0.48, 0.2, (34, 34, 36))
        for y in (0.0, 0.06, 0.12):
            canvas.box(width * 0.26, height * 0.44 + 0.03 + y, width * 0.48, 0.015, (120, 122, 124))
        for x in (0.06, width - 0.46):
            canvas.box(x, height * 0.55, 0.4, 0.18, (214, 222, 230))
            canvas.disc(x + 0.2, height * 0.55 + 0.09, 0.075, (252, 252, 244))
    canvas.box(*plate, 0.52, 0.12, (236, 234, 222))
    for x in np.arange(0.05, 0.46, 0.08):
        canvas.box(plate[0] + x, plate[1] + 0.03, 0.045, 0.06, (30, 32, 40))
    corner = 0.05
    opacity.shape([(corner, 0), (width - corner, 0), (width, corner), (width, height * 0.85), (width - corner, height),
                   (corner, height), (0, height * 0.85), (0, corner)], (255, 255, 255))  # fmt: skip
    return Texture(canvas.picture, opacity=opacity.picture[..., 0].copy())


def car_top(colour: Colour, *, gloss: float) -> Texture:
    """Roof, bonnet or boot: paint that shows the sky towards its far edge."""
    light = np.linspace(1 + gloss, 0.9, 32)[:, None, None] * np.ones((1, 32, 1))
    picture = np.asarray(colour, float)[None, None] * light
    return Texture(np.clip(picture, 0, 255).astype(np.uint8))


def car_wheel() -> Texture:
    """Tyre and rim with five spokes, so that its turning can be seen."""
    canvas, opacity = Canvas(1, 1, scale=72, colour=(30, 30, 32)), Canvas(1, 1, scale=72)
    opacity.disc(0.5, 0.5, 0.49, (255, 255, 255))
    canvas.disc(0.5, 0.5, 0.33, (150, 152, 156))
    canvas.disc(0.5, 0.5, 0.29, (62, 64, 68))
    for angle in np.arange(5) * 2 * np.pi / 5:
        canvas.line((0.5, 0.5), (0.5 + 0.29 * np.cos(angle), 0.5 + 0.29 * np.sin(angle)), 0.08, (176, 178, 182))
    canvas.disc(0.5, 0.5, 0.07, (130, 132, 136))
    return Texture(canvas.picture, opacity=opacity.picture[..., 0].copy())
