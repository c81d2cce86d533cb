"""The pieces of the puppet: cut-outs with a texture and a bent surface, painted once for a seed.

Shapes are signed distances: negative inside, in units of one pixel of a frame of 256 x 448.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

Colour = tuple[float, float, float]

SCALE = 4
"""Pixels of a piece's texture for each unit."""
SOFT_EDGE = 0.6
SMILE = 0.055
"""How far the corners of the mouth are raised: y = -SMILE x^2."""


@dataclass(frozen=True)
class Piece:
    """A flat piece of puppet in its own coordinates; an affine map a frame puts it into the picture."""

    colour: np.ndarray
    """float32 [h, w, 4]: RGB in 0..1, times how much it covers, and how much it covers."""
    slope: np.ndarray
    """float32 [h, w, 2]: x and y of the surface's normal."""
    origin: tuple[float, float]
    """Where its first pixel is, in units."""
    dense_part: int
    """Its number in DensePose; 0 is none."""

    def to_texture(self) -> np.ndarray:
        """The affine map [2, 3] from units to pixels of the texture."""
        return np.array([[SCALE, 0, -SCALE * self.origin[0]], [0, SCALE, -SCALE * self.origin[1]]], np.float64)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in units."""
        height, width = self.colour.shape[:2]
        return (*self.origin, self.origin[0] + (width - 1) / SCALE, self.origin[1] + (height - 1) / SCALE)


class Painter:
    """One piece while it is painted, layer over layer."""

    def __init__(self, left: float, top: float, right: float, bottom: float) -> None:
        """An empty piece of this extent, in units."""
        self.origin = (left, top)
        self.x, self.y = np.meshgrid(
            np.arange(left, right, 1 / SCALE, dtype=np.float32), np.arange(top, bottom, 1 / SCALE, dtype=np.float32)
        )
        self.colour = np.zeros((*self.x.shape, 3), np.float32)
        self.cover = np.zeros(self.x.shape, np.float32)
        self.slope = np.zeros((*self.x.shape, 2), np.float32)

    def fill(self, distance: np.ndarray, colour: Colour | np.ndarray, *, strength: float = 1.0) -> None:
        """Lay ``colour`` (one, or one for each pixel) over what is inside ``distance``."""
        share = strength * covered(distance)
        opaque = np.maximum(self.cover, share)
        # a half covered border takes the colour of its layer, not that of the nothing below
        weight = np.where(opaque > 0, share / np.maximum(opaque, 1e-6), 0)[..., None]
        self.colour[:] = self.colour * (1 - weight) + np.asarray(colour, np.float32) * weight
        self.cover[:] = opaque

    def tint(self, distance: np.ndarray, colour: Colour | np.ndarray, *, strength: float = 1.0) -> None:
        """The same, only where something is already."""
        share = (strength * covered(distance) * (self.cover > 0))[..., None]
        self.colour[:] = self.colour * (1 - share) + np.asarray(colour, np.float32) * share

    def part(self, left: float, top: float, right: float, bottom: float) -> "Painter":
        """A rectangle of the same piece: what is painted there is painted here."""
        columns = slice(*np.searchsorted(self.x[0], (left, right)))
        rows = slice(*np.searchsorted(self.y[:, 0], (top, bottom)))
        part = Painter.__new__(Painter)
        for name in ("x", "y", "colour", "cover", "slope"):
            setattr(part, name, getattr(self, name)[rows, columns])
        return part

    def bend(self, x: np.ndarray, y: np.ndarray) -> None:
        """Set the surface's normal; longer ones than 1 are cut."""
        length = np.maximum(np.hypot(x, y), 1)
        self.slope[:] = np.stack((x / length, y / length), axis=-1)

    def piece(self, dense_part: int = 0) -> Piece:
        """What was painted."""
        rgba = np.dstack((np.clip(self.colour, 0, 1) * self.cover[..., None], self.cover)).astype(np.float32)
        # a texture has twice as many pixels as the frame that it is drawn into: finer detail would flicker
        return Piece(cv2.GaussianBlur(rgba, (0, 0), 0.8), self.slope, self.origin, dense_part)


def covered(distance: np.ndarray) -> np.ndarray:
    """How much of a pixel at this signed distance lies inside, 0..1."""
    return np.clip(0.5 - distance / SOFT_EDGE, 0, 1)


def ellipse(x: np.ndarray, y: np.ndarray, across: float, along: float) -> np.ndarray:
    """Signed distance to an ellipse about the origin, good near its outline."""
    return (np.hypot(x / across, y / along) - 1) * min(across, along)


def segment(x: np.ndarray, y: np.ndarray, start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """Distance to a straight line."""
    run_x, run_y = end[0] - start[0], end[1] - start[1]
    share = np.clip(((x - start[0]) * run_x + (y - start[1]) * run_y) / (run_x**2 + run_y**2), 0, 1)
    return np.hypot(x - start[0] - share * run_x, y - start[1] - share * run_y)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], *, grain: float) -> np.ndarray:
    """Noise of mean 0 and deviation 1 whose grains are ``grain`` pixels wide, float32 [H, W]."""
    small = rng.standard_normal((max(2, round(shape[0] / grain)), max(2, round(shape[1] / grain)))).astype(np.float32)
    noise = cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return (noise - noise.mean()) / max(float(noise.std()), 1e-6)


def limb(
    length: float,
    start_radius: float,
    end_radius: float,
    *,
    texture: Callable[[np.ndarray, np.ndarray], np.ndarray],
    dense_part: int,
    seam: Colour | None = None,
) -> Piece:
    """A round limb along x, from 0 to ``length``.

    Args:
        length: of its bone.
        start_radius: of its thickness where it begins.
        end_radius: and where it ends.
        texture: from x and y to colours, float [h, w, 3].
        dense_part: number in DensePose.
        seam: colour of a hem around its end; None has none.
    """
    reach = max(start_radius, end_radius) + 2
    painter = Painter(-reach, -reach, length + reach, reach)
    along = np.clip(painter.x, 0, length)
    radius = start_radius + (end_radius - start_radius) * along / length
    # muscles: a little thicker in the first half
    radius = radius * (1 + 0.10 * np.sin(np.pi * np.clip(along / length * 1.3, 0, 1)))
    distance = np.hypot(painter.x - along, painter.y) - radius
    painter.fill(distance, texture(painter.x, painter.y))
    if seam is not None:
        painter.tint(np.abs(painter.x - length + 0.5) - 1.6, seam)
        painter.tint(np.abs(painter.x - length + 2.6) - 0.3, (0.1, 0.1, 0.1), strength=0.5)
    painter.bend((painter.x - along) / radius, painter.y / radius)
    return painter.piece(dense_part)


def cloth(rng: np.random.Generator, base: Colour, *, weave: float = 0.05) -> Callable[..., np.ndarray]:
    """Plain cloth with threads and creases."""
    noise = smooth_noise(rng, (256, 512), grain=3)
    creases = smooth_noise(rng, (256, 512), grain=24)

    def texture(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        column, row = np.int32(x * SCALE) % 512, np.int32(y * SCALE) % 256
        shade = 1 + weave * noise[row, column] + 0.06 * creases[row, column]
        return np.array(base, np.float32) * shade[..., None]

    return texture


def stripes(rng: np.random.Generator, first: Colour, second: Colour, *, width: float) -> Callable[..., np.ndarray]:
    """Stripes across x, on cloth."""
    one, other = cloth(rng, first), cloth(rng, second)

    def texture(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        share = np.clip(0.5 + np.sin(x * np.pi / width) * 3, 0, 1)[..., None]
        return one(x, y) * share + other(x, y) * (1 - share)

    return texture


def checks(rng: np.random.Generator, base: Colour, line: Colour, *, width: float) -> Callable[..., np.ndarray]:
    """Checks: lines along x and across it, on cloth."""
    plain = cloth(rng, base)

    def texture(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        share = 0.35 * (np.sin(x * np.pi / width) > 0.35) + 0.35 * (np.sin((y + 0.3) * np.pi / width) > 0.35)
        thin = 0.5 * ((np.abs((x / width / 2) % 1 - 0.75) < 0.05) | (np.abs((y / width / 2) % 1 - 0.75) < 0.05))
        bright = np.array((0.95, 0.9, 0.75), np.float32)
        colour = plain(x, y) * (1 - share[..., None]) + np.array(line, np.float32) * share[..., None]
        return colour * (1 - thin[..., None]) + bright * thin[..., None]

    return texture


def skin(rng: np.random.Generator, base: Colour) -> Callable[..., np.ndarray]:
    """Skin, hardly textured."""
    return cloth(rng, base, weave=0.02)


def torso(texture: Callable[..., np.ndarray], emblem: Colour, skin_colour: Colour, *, dense_part: int) -> Piece:
    """A shirt; y runs from the hip (0) up to the neck (-58), x to the left of the body."""
    painter = Painter(-26, -64, 26, 10)
    x, y = painter.x, painter.y
    heights = np.array([-62, -58, -55, -52, -48, -40, -28, -14, -6, 0, 8], np.float32)
    half_widths = np.array([4.5, 6.5, 12, 17.5, 19.5, 19.3, 17.6, 16.6, 17.6, 18.6, 18.2], np.float32)
    half_width = np.interp(y, heights, half_widths)
    distance = np.maximum(np.abs(x) - half_width, np.maximum(-60 - y, y - 7))
    painter.fill(distance, texture(y, x))
    star = np.arctan2(x, -(y + 30))
    painter.tint(np.hypot(x, y + 30) - 7.4 * (0.72 + 0.28 * np.cos(5 * star)), emblem)
    painter.tint(ellipse(x, y + 60, 7.5, 6.5), skin_colour)
    painter.tint(np.abs(ellipse(x, y + 60, 7.5, 6.5)) - 0.7, (0.15, 0.15, 0.2), strength=0.7)
    painter.tint(np.abs(y - 5.2) - 1.4, (0.16, 0.13, 0.12))
    bulge = np.clip(x / half_width, -1, 1)
    painter.bend(
        bulge**3 * 0.95 + 0.06 * np.sin(y * 0.35 + 2 * bulge), 0.14 * np.sin(y / 14) + 0.06 * np.sin(y * 0.5 + x * 0.2)
    )
    return painter.piece(dense_part)


def pelvis(texture: Callable[..., np.ndarray], *, dense_part: int) -> Piece:
    """The upper end of the trousers, about the middle of the hip."""
    painter = Painter(-20, -8, 20, 18)
    x, y = painter.x, painter.y
    distance = np.maximum(ellipse(x, y - 2, 15.6, 13), -6 - y)
    painter.fill(distance, texture(x, y))
    painter.tint(np.abs(x) - 0.35 + (y < 1) * 9, (0.1, 0.1, 0.12), strength=0.6)
    painter.bend(np.clip(x / 17, -1, 1) ** 3, np.clip((y - 2) / 13, -1, 1) * 0.3)
    return painter.piece(dense_part)


def head(skin_colour: Colour, hair: Colour, rng: np.random.Generator, *, dense_part: int) -> Piece:
    """A head seen from the front, about its middle, without eyes and mouth; y runs down."""
    painter = Painter(-24, -28, 24, 26)
    x, y = painter.x, painter.y
    strands = 1 + 0.16 * np.sin(x * 2.4 + 0.6 * np.sin(y * 0.5)) + 0.06 * smooth_noise(rng, x.shape, grain=4)
    hair_colour = np.array(hair, np.float32) * strands[..., None]
    skin_base = np.array(skin_colour, np.float32)
    painter.fill(ellipse(x, y + 6, 18.2, 17.5), hair_colour)
    for side in (-1, 1):
        painter.fill(ellipse(x - side * 15.6, y - 1.5, 2.8, 4.2), skin_base * 0.94)
        painter.tint(ellipse(x - side * 15.9, y - 1.5, 1.4, 2.4), skin_base * 0.72)
    chin = np.where(y > 0, 1 + 0.10 * np.clip(y / 19, 0, 1) ** 2, 1)
    face = ellipse(x * chin, y, 15, 19)
    painter.fill(face, skin_base * (1 + 0.012 * smooth_noise(rng, x.shape, grain=6))[..., None])
    for side in (-1, 1):
        painter.tint(ellipse(x - side * 8.6, y - 6.5, 4.4, 3.0), (0.93, 0.45, 0.40), strength=0.30)
        painter.tint(ellipse(x - side * 6.1, y + 2.2, 4.3, 3.1), skin_base * 0.84, strength=0.5)
        arch = np.abs(y + 8.4 - 0.05 * (x - side * 5.6) ** 2)
        brow = np.maximum(arch - 0.95, np.abs(x - side * 6.3) - 3.9)
        painter.tint(brow, np.array(hair, np.float32) * 0.62)
    # the nose: its lit ridge, its shadow on the right and its wings
    painter.tint(segment(x, y, (0, -1.5), (0.0, 5.0)) - 0.8, skin_base * 1.12, strength=0.7)
    painter.tint(segment(x, y, (1.7, -0.5), (2.2, 5.4)) - 0.7, skin_base * 0.78, strength=0.7)
    painter.tint(segment(x, y, (-1.9, 6.0), (1.9, 6.0)) - 0.6, skin_base * 0.66, strength=0.8)
    fringe = np.maximum(ellipse(x, y + 6, 18.2, 17.5), y + 8.6 + 0.022 * (x + 6) ** 2 - 1.3 * np.abs(np.sin(x * 0.45)))
    painter.fill(fringe, hair_colour)
    painter.tint(segment(x, y, (-11, -17), (2, -20.5)) - 1.0, (0.75, 0.6, 0.45), strength=0.35)
    painter.bend(np.clip(x / 16.5, -1, 1) ** 3 * 0.9, np.clip(y / 20, -1, 1) ** 3 * 0.8)
    return painter.piece(dense_part)


def eye(iris: Colour, *, dense_part: int) -> Piece:
    """One eye about its middle."""
    painter = Painter(-5, -4, 5, 4)
    x, y = painter.x, painter.y
    almond = ellipse(x, y, 3.6, 2.2)
    painter.fill(almond - 0.45, (0.20, 0.12, 0.10))
    painter.tint(almond, (0.97, 0.97, 0.95))
    painter.tint(np.maximum(np.hypot(x, y - 0.1) - 1.9, almond), iris)
    painter.tint(np.maximum(np.hypot(x, y - 0.1) - 1.05, almond), (0.03, 0.03, 0.04))
    painter.tint(np.hypot(x + 0.6, y + 0.6) - 0.5, (1, 1, 1))
    painter.tint(np.maximum(almond, y + 1.5), (0.35, 0.24, 0.20), strength=0.6)
    return painter.piece(dense_part)


def mouth(*, dense_part: int) -> Piece:
    """An open mouth about its middle."""
    painter = Painter(-7.5, -6.5, 7.5, 5)
    x, y = painter.x, painter.y + SMILE * painter.x**2
    lips = ellipse(x, y, 6.2, 3.4)
    painter.fill(lips, (0.78, 0.30, 0.32))
    inside = ellipse(x, y, 4.6, 2.0)
    painter.tint(inside, (0.28, 0.06, 0.08))
    painter.tint(np.maximum(inside, y + 0.5), (0.97, 0.96, 0.93))
    painter.tint(np.maximum(inside, ellipse(x, y - 2.2, 2.8, 1.3)), (0.85, 0.38, 0.42))
    painter.bend(x / 12, y / 6)
    return painter.piece(dense_part)


def palm(skin_colour: Colour, *, dense_part: int) -> Piece:
    """The palm: x runs from the wrist (0) to the fingers (8)."""
    painter = Painter(-5, -6, 12, 6)
    x, y = painter.x, painter.y
    distance = np.maximum(ellipse(x - 4.2, y, 5.6, 4.1), np.abs(y) - 3.8)
    painter.fill(distance, np.array(skin_colour, np.float32) * np.ones((*x.shape, 1), np.float32))
    painter.tint(segment(x, y, (3.0, -2.5), (5.2, 1.5)) - 0.25, np.array(skin_colour) * 0.8, strength=0.6)
    painter.bend((x - 4) / 9, y / 5)
    return painter.piece(dense_part)


def finger(length: float, radius: float, skin_colour: Colour, *, dense_part: int) -> Piece:
    """A finger along x, with a nail."""
    painter = Painter(-3, -3, length + 3, 3)
    x, y = painter.x, painter.y
    along = np.clip(x, 0, length)
    painter.fill(np.hypot(x - along, y) - radius, np.array(skin_colour) * 0.62)
    painter.tint(np.hypot(x - along, y) - radius + 0.28, skin_colour)
    painter.tint(ellipse(x - length + 0.1, y, 0.8, 0.6), (0.98, 0.85, 0.82))
    painter.bend((x - along) / radius, y / radius)
    return painter.piece(dense_part)


def shoe(colour: Colour, *, dense_part: int) -> Piece:
    """A shoe seen half from the front: x runs from the ankle (0) to the toes (17), y down to the sole (8)."""
    painter = Painter(-8, -7, 22, 11)
    x, y = painter.x, painter.y
    upper = np.minimum(ellipse(x - 7.5, y - 3.2, 11.5, 5.2), ellipse(x + 0.3, y + 0.5, 5.6, 6.2))
    sole = np.maximum(ellipse(x - 7.2, y - 3.6, 13, 5.8), np.abs(y - 6.4) - 1.7)
    painter.fill(np.maximum(upper, y - 7), np.array(colour, np.float32) * np.ones((*x.shape, 1), np.float32))
    painter.fill(sole, (0.95, 0.94, 0.90))
    for place in (3.0, 5.4, 7.8):
        painter.tint(segment(x, y, (place - 1.2, -1.0), (place + 1.6, 1.6)) - 0.45, (0.97, 0.97, 0.97))
    painter.tint(ellipse(x - 15.5, y - 3.6, 3.6, 3.2), (0.95, 0.94, 0.90), strength=0.9)
    painter.bend((x - 6) / 22, (y - 1) / 8)
    return painter.piece(dense_part)


def room(rng: np.random.Generator, *, width: int, height: int, margin: int, floor: float) -> Piece:
    """A room behind the puppet: brick wall, pictures, a window and a wooden floor that begins at y = ``floor``."""
    painter = Painter(-margin, -margin, width + margin, height + margin)
    x, y = painter.x, painter.y
    painter.cover[:] = 1
    row = np.floor(y / 12)
    brick_x = (x + 12 * (row % 2)) / 24
    number = (np.int64(row) * 31 + np.int64(np.floor(brick_x)) * 17) % 101
    tone = rng.uniform(-1, 1, 101).astype(np.float32)[number]
    grain = smooth_noise(rng, x.shape, grain=6)
    wall = np.array((0.66, 0.52, 0.44), np.float32) * (1 + 0.10 * tone + 0.05 * grain)[..., None]
    from_mortar = np.minimum(6 - np.abs((y / 12) % 1 - 0.5) * 12, 12 - np.abs(brick_x % 1 - 0.5) * 24)
    mortar = (0.45 * np.clip(1.2 - from_mortar, 0, 1))[..., None]
    painter.colour[:] = wall * (1 - mortar) + np.array((0.80, 0.76, 0.70), np.float32) * mortar
    _window(painter.part(28, 20, 130, 142), rng)
    _poster(painter.part(322, 26, 408, 146), rng)
    _floor(painter.part(-margin, floor - 10, width + margin, height + margin), rng, floor=floor, width=width)
    _plant(painter.part(360, 90, width + margin, 225), rng)
    # light falls in from the upper left
    fall = 1.10 - 0.32 * np.clip(x / width, 0, 1) - 0.12 * np.clip(y / height, 0, 1)
    painter.colour *= fall[..., None]
    return painter.piece()


def _box(x: np.ndarray, y: np.ndarray, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.maximum(np.maximum(left - x, x - right), np.maximum(top - y, y - bottom))


def _window(painter: Painter, rng: np.random.Generator) -> None:
    x, y = painter.x, painter.y
    painter.tint(_box(x, y, 38, 30, 124, 136), (0.30, 0.20, 0.14), strength=0.5)
    painter.tint(_box(x, y, 36, 26, 120, 130), (0.93, 0.92, 0.88))
    clouds = smooth_noise(rng, x.shape, grain=60) + 0.5 * smooth_noise(rng, x.shape, grain=25)
    sky = np.array((0.50, 0.70, 0.92)) + (0.16 * np.clip(clouds, 0, 2))[..., None] * np.array((1.0, 0.8, 0.45))
    hills = 104 + 7 * np.sin(x / 13) + 3 * np.sin(x / 5)
    leaves = np.array((0.28, 0.48, 0.24)) * (1 + 0.22 * smooth_noise(rng, x.shape, grain=7))[..., None]
    view = np.where((y > hills)[..., None], leaves, sky)
    for left, top in ((41, 31), (80.5, 31), (41, 80), (80.5, 80)):
        painter.tint(_box(x, y, left, top, left + 34.5, top + 45), view)
    painter.tint(_box(x, y, 31, 130, 125, 136), (0.86, 0.84, 0.78))


def _poster(painter: Painter, rng: np.random.Generator) -> None:
    x, y = painter.x, painter.y
    painter.tint(_box(x, y, 329, 35, 403, 141), (0.25, 0.18, 0.14), strength=0.5)
    painter.tint(_box(x, y, 326, 30, 400, 136), (0.17, 0.15, 0.16))
    painter.tint(_box(x, y, 330, 34, 396, 132), (0.94, 0.89, 0.76))
    inside = _box(x, y, 334, 38, 392, 128)
    for _ in range(14):
        centre, radius = rng.uniform((334, 38), (392, 128)), rng.uniform(5, 18)
        painter.tint(np.maximum(inside, np.hypot(x - centre[0], y - centre[1]) - radius), rng.uniform(0.15, 0.95, 3))
    for _ in range(6):
        start, end = rng.uniform((334, 38), (392, 128), (2, 2))
        painter.tint(np.maximum(inside, segment(x, y, tuple(start), tuple(end)) - 1.2), rng.uniform(0.0, 0.35, 3))


def _plant(painter: Painter, rng: np.random.Generator) -> None:
    x, y = painter.x, painter.y
    for angle in np.linspace(-1.25, 1.25, 15):
        length = rng.uniform(34, 58)
        tip = (424 + length * np.sin(angle), 168 - length * np.cos(angle))
        green = np.array((0.20, 0.45, 0.22)) * rng.uniform(0.7, 1.35)
        middle = (424 + 0.5 * length * np.sin(angle * 0.7), 168 - 0.6 * length * np.cos(angle * 0.7))
        painter.tint(segment(x, y, (424, 168), middle) - 1.2, green * 0.7)
        painter.tint(
            segment(x, y, middle, tip) - 3.2 * np.clip(1 - segment(x, y, middle, middle_of(middle, tip)) / 20, 0.1, 1),
            green,
        )
    pot = np.maximum(np.abs(x - 424) - 15 + (y - 168) * 0.14, np.maximum(166 - y, y - 205))
    painter.tint(pot, np.array((0.72, 0.38, 0.24)) * (1.1 - 0.35 * np.clip((x - 410) / 28, 0, 1))[..., None])


def middle_of(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """The point half way, but not quite, so that a line from ``first`` to it has a length."""
    return (first[0] + second[0]) / 2 + 1e-3, (first[1] + second[1]) / 2


def _floor(painter: Painter, rng: np.random.Generator, *, floor: float, width: int) -> None:
    x, y = painter.x, painter.y
    depth = np.maximum(y - floor + 60, 1)
    plank_x = (x - width / 2) / depth * 7 + 40
    shift = rng.uniform(0, 1, 97)[np.int64(np.floor(plank_x)) % 97]
    plank_y = 160 / depth + shift
    number = (np.int64(np.floor(plank_x)) * 13 + np.int64(np.floor(plank_y * 1.5)) * 29) % 97
    tone = rng.uniform(-1, 1, 97)[number]
    fibre = np.sin(plank_x * 40 + 2 * smooth_noise(rng, x.shape, grain=10)) * 0.04
    wood = (
        np.array((0.58, 0.40, 0.25)) * (1 + 0.14 * tone + fibre + 0.04 * smooth_noise(rng, x.shape, grain=3))[..., None]
    )
    gap = np.minimum(plank_x % 1, 1 - plank_x % 1) * depth / 7
    wood = wood * (1 - 0.55 * np.clip(1 - gap, 0, 1))[..., None]
    painter.tint(floor - y, wood)
    painter.tint(_box(x, y, -999, floor - 7, 999, floor), (0.90, 0.88, 0.83))
    painter.tint(_box(x, y, -999, floor - 0.8, 999, floor + 1.5), (0.25, 0.18, 0.14), strength=0.7)
