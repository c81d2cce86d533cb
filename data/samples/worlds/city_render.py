"""Textured rectangles in space become a picture whose every pixel knows its surface, and so its exact flow.

The world is made of rectangles ("patches"). A pixel stores which patch it shows and where on it: the same place
projected by another time's camera and patches is the pixel's motion, exact up to rounding.

World axes: x right, y up, z ahead, in metres. Camera axes: x right, y down, z ahead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

NEAR = 0.2
"""Nothing nearer than this is drawn, metres."""

FEW_PIXELS = 256
"""What covers fewer is not worth a choice of sharpness for every pixel."""

FAR_FLOW = 1000.0
"""Flow is cut off at this many pixels: where a point passes the camera it has no end."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera."""

    position: np.ndarray
    """[3] metres."""
    rotation: np.ndarray
    """[3, 3]; its rows are the camera's axes in the world."""
    focal: float = 0.95
    """In widths of the picture."""
    horizon: float = 0.46
    """The row of the optical axis, in heights of the picture."""

    def intrinsics(self, height: int, width: int) -> np.ndarray:
        """The matrix [3, 3] from camera axes to pixels; the middle of the first pixel is (0, 0)."""
        focal = self.focal * width
        return np.array([[focal, 0, width / 2 - 0.5], [0, focal, height * self.horizon - 0.5], [0, 0, 1]])

    def seen(self, points: np.ndarray) -> np.ndarray:
        """World points [..., 3] in camera axes."""
        return (points - self.position) @ self.rotation.T


class Texture:
    """A picture for one patch, with every halving of its width and of its height, made when first wanted.

    Streets are seen at grazing angles: halving both sides together would blur lane marks and windows away.
    """

    def __init__(self, picture: np.ndarray, *, opacity: np.ndarray | None = None, repeat: tuple[float, float] = (1, 1)):
        """Keep the picture.

        Args:
            picture: uint8 [H, W, 3].
            opacity: uint8 [H, W]; below 128 there is nothing. None: solid.
            repeat: how often the picture lies on the patch, to the right and down.
        """
        self.picture, self.opacity, self.repeat = picture, opacity, repeat
        self._halved: dict[tuple[str, int, int], np.ndarray] = {}

    def colours(self, u: np.ndarray, v: np.ndarray, step_u: np.ndarray, step_v: np.ndarray) -> np.ndarray:
        """Colours [N, 3], uint8, at places ``u``, ``v`` in [0, 1]; ``step_*`` [N]: what one pixel covers there."""
        height, width = self.picture.shape[:2]
        if len(u) < FEW_PIXELS:
            step_u, step_v = step_u.mean(keepdims=True), step_v.mean(keepdims=True)
        halvings_u = _halvings(step_u * (self.repeat[0] * width), width)
        halvings_v = _halvings(step_v * (self.repeat[1] * height), height)
        kinds = halvings_u * 16 + halvings_v
        if len(kinds) == 1:
            return self._look_up("picture", int(halvings_u[0]), int(halvings_v[0]), u, v)
        found = np.empty((len(u), 3), np.uint8)
        for kind in np.unique(kinds):
            of_kind = kinds == kind
            found[of_kind] = self._look_up("picture", int(kind) // 16, int(kind) % 16, u[of_kind], v[of_kind])
        return found

    def is_solid(self, u: np.ndarray, v: np.ndarray, step_u: float, step_v: float) -> np.ndarray:
        """Whether there is something at each place, bool [N]; ``step_*`` hold for all."""
        if self.opacity is None:
            return np.ones(len(u), bool)
        height, width = self.opacity.shape
        halvings_u, halvings_v = (
            int(_halvings(np.array(step * size), size)) for step, size in ((step_u, width), (step_v, height))
        )
        return self._look_up("opacity", halvings_u, halvings_v, u, v) >= 128

    def _look_up(self, kind: str, halvings_u: int, halvings_v: int, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        picture = self._level(kind, halvings_u, halvings_v)
        height, width = picture.shape[:2]
        border = cv2.BORDER_REPLICATE if self.repeat == (1, 1) else cv2.BORDER_WRAP
        return look_up(picture, u * (self.repeat[0] * width) - 0.5, v * (self.repeat[1] * height) - 0.5, border=border)

    def _level(self, kind: str, halvings_u: int, halvings_v: int) -> np.ndarray:
        key = (kind, halvings_u, halvings_v)
        if key not in self._halved:
            full = self.picture if kind == "picture" else self.opacity
            assert full is not None
            size = max(1, full.shape[1] >> halvings_u), max(1, full.shape[0] >> halvings_v)
            self._halved[key] = cv2.resize(full, size, interpolation=cv2.INTER_AREA)
        return self._halved[key]


def _halvings(texels: np.ndarray, size: int) -> np.ndarray:
    """How often to halve ``size`` texels so that a pixel covers about one."""
    most = max(0, size.bit_length() - 2)
    # what is magnified is not halved
    wanted = np.rint(np.log2(np.maximum(texels, 1)))
    return np.minimum(wanted, min(most, 15)).astype(np.int16)


def look_up(picture: np.ndarray, x: np.ndarray, y: np.ndarray, *, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """Bilinear samples [N, ...] of ``picture`` [H, W, ...] at pixels ``x``, ``y`` [N]."""
    row = min(1024, len(x))  # OpenCV wants maps of less than 32768 a side
    num_rows = -(-len(x) // row)
    maps = np.zeros((2, num_rows * row), np.float32)
    maps[0, : len(x)], maps[1, : len(x)] = x, y
    map_x, map_y = maps.reshape(2, num_rows, row)
    sampled = cv2.remap(picture, map_x, map_y, cv2.INTER_LINEAR, borderMode=border)
    return sampled.reshape(num_rows * row, *picture.shape[2:])[: len(x)]


@dataclass(frozen=True, eq=False)
class Surface:
    """What a patch is, which time does not change."""

    texture: Texture
    label: int
    """Cityscapes label id."""
    instance: int | None = None
    """The number among the objects of this label; None: not counted."""
    light: str = "sun"
    """``sun``: by its slope; ``even``: lit without a slope (leaves, people); ``own``: shown as painted."""
    shadow: str = "none"
    """``ground``: shadows of everything fall on it; ``thing``: those of houses and trees; ``none``."""
    has_haze: bool = True

    @property
    def instance_id(self) -> int:
        """As Cityscapes has it: the label, or label * 1000 + number."""
        return self.label if self.instance is None else self.label * 1000 + self.instance


@dataclass(frozen=True)
class Hits:
    """What each pixel of a frame shows."""

    patch: np.ndarray
    """int16 [H, W], -1 for nothing."""
    u: np.ndarray
    """[H, W]: the place on the patch, 0 to 1 to the right."""
    v: np.ndarray
    """[H, W]: the same down."""
    nearness: np.ndarray
    """[H, W]: 1 / depth, per metre."""
    matrices: np.ndarray = field(repr=False)
    """[P, 3, 3]: from pixels (x, y, 1) to (u, v, 1) * nearness."""


def rasterise(
    patches: np.ndarray,
    surfaces: Sequence[Surface],
    camera: Camera,
    *,
    height: int,
    width: int,
    precision: type[np.float32] | type[np.float64] = np.float32,
) -> Hits:
    """Find the nearest patch behind the middle of every pixel.

    Args:
        patches: [P, 3, 3], float64, for each patch its upper left corner, its edge to the right, its edge down.
        surfaces: P of them; only opacity is used.
        camera: where from.
        height, width: of the picture.
        precision: of the coordinates; float64 where flow follows from them.
    """
    corners = camera.seen(_corners(patches))
    intrinsics = camera.intrinsics(height, width)
    matrices = _pixel_to_patch(corners, intrinsics)
    size = height, width
    nearness: np.ndarray = np.zeros(size, precision)
    patch = np.full(size, -1, np.int16)
    u, v = np.zeros_like(nearness), np.zeros_like(nearness)
    columns, rows = np.arange(width).astype(precision), np.arange(height).astype(precision)[:, None]
    steps_x, steps_y = np.moveaxis(matrices[..., :2].astype(precision), -1, 0)
    nearest = 1 / np.maximum(corners[..., 2].min(axis=1), NEAR)
    boxes = _boxes(corners, intrinsics, height, width)
    is_seen = (boxes[:, 0] < boxes[:, 1]) & (boxes[:, 2] < boxes[:, 3]) & ~np.isnan(matrices[:, 0, 0])
    firsts = np.einsum("pij,pj->pi", matrices, np.insert(boxes[:, [2, 0]], 2, 1, axis=1)).astype(precision)
    # near ones first: what they hide costs little
    for number in np.argsort(corners[..., 2].mean(axis=1), kind="stable"):
        top, bottom, left, right = boxes[number].tolist()
        box = slice(top, bottom), slice(left, right)
        if not is_seen[number] or nearness[box].min() >= nearest[number]:
            continue
        # counted from the box's corner: patches seen edge-on have large coefficients that cancel
        x, y = columns[: right - left], rows[: bottom - top]
        scaled_u, scaled_v, near = (
            steps_x[number, row] * x + (steps_y[number, row] * y + firsts[number, row]) for row in range(3)
        )
        inside = near > nearness[box]
        inside &= (scaled_u >= 0) & (scaled_u <= near) & (scaled_v >= 0) & (scaled_v <= near) & (near < 1 / NEAR)
        at = np.nonzero(inside)
        if not len(at[0]):
            continue
        depth = 1 / near[at]
        hit_u, hit_v, near = scaled_u[at] * depth, scaled_v[at] * depth, near[at]
        texture = surfaces[number].texture
        if texture.opacity is not None:
            steps = _steps(matrices[number].astype(precision), hit_u.mean(), hit_v.mean(), near.mean())
            solid = texture.is_solid(hit_u, hit_v, *map(float, steps))
            at = at[0][solid], at[1][solid]
            hit_u, hit_v, near = hit_u[solid], hit_v[solid], near[solid]
        at = at[0] + top, at[1] + left
        patch[at], u[at], v[at], nearness[at] = number, hit_u, hit_v, near
    return Hits(patch, u, v, nearness, matrices.astype(precision))


def _corners(patches: np.ndarray) -> np.ndarray:
    """The corners [P, 4, 3] in their order around the patch."""
    corner, right, down = patches[:, 0], patches[:, 1], patches[:, 2]
    return np.stack((corner, corner + right, corner + right + down, corner + down), axis=1)


def _pixel_to_patch(corners: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """For each patch the matrix from (x, y, 1) in pixels to (u, v, 1) / depth; NaN where it is seen edge-on.

    From corner + u * right + v * down = depth * ray.
    """
    columns = np.stack((corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0], corners[:, 0]), axis=2)
    sizes = np.linalg.norm(columns, axis=1).prod(axis=1)
    edge_on = np.abs(np.linalg.det(columns)) < 1e-9 * np.maximum(sizes, 1e-12)
    columns = np.where(edge_on[:, None, None], np.eye(3), columns)
    inverse = np.linalg.inv(columns) @ np.linalg.inv(intrinsics)
    return np.where(edge_on[:, None, None], np.nan, inverse)


def _boxes(corners: np.ndarray, intrinsics: np.ndarray, height: int, width: int) -> np.ndarray:
    """Top, bottom, left, right [P, 4] of what each patch may cover; empty behind the camera and beside the picture."""
    depth = corners[..., 2]
    pixels = corners @ intrinsics.T
    places = pixels[..., :2] / np.maximum(depth, NEAR)[..., None]
    low, high = places.min(axis=1), places.max(axis=1)
    for number in np.nonzero((depth.min(axis=1) < NEAR) & (depth.max(axis=1) > NEAR))[0]:
        pixels = _before_camera(corners[number]) @ intrinsics.T
        places = pixels[:, :2] / pixels[:, 2:]
        low[number], high[number] = places.min(axis=0), places.max(axis=0)
    size = width, height
    low = np.clip(np.ceil(low), 0, size)
    high = np.clip(np.floor(high) + 1, 0, size)
    high[depth.max(axis=1) <= NEAR] = 0
    return np.stack((low[:, 1], high[:, 1], low[:, 0], high[:, 0]), axis=1).astype(np.int64)


def _before_camera(corners: np.ndarray) -> np.ndarray:
    """The corners [N, 3] of the part of a patch that is not behind the camera."""
    following = np.roll(corners, -1, axis=0)
    is_behind = corners[:, 2] < NEAR
    crosses = is_behind != np.roll(is_behind, -1)
    start, end = corners[crosses], following[crosses]
    share = (NEAR - start[:, 2:]) / (end[:, 2:] - start[:, 2:])
    return np.concatenate((corners[~is_behind], start + share * (end - start)))


def _steps(matrix: np.ndarray, u: np.ndarray, v: np.ndarray, nearness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much of ``u`` and of ``v`` one pixel covers."""
    along_x, along_y = matrix[:, 0], matrix[:, 1]

    def step(place: np.ndarray, row: int) -> np.ndarray:
        # the derivative of a quotient
        return np.hypot(along_x[row] - place * along_x[2], along_y[row] - place * along_y[2]) / nearness

    return step(u, 0), step(v, 1)


@dataclass(frozen=True)
class ShadowMap:
    """Where the sun does not reach the ground, seen from above."""

    of_all: np.ndarray
    """float32 [Z, X, 2]: how much of the sun is hidden, and how much of the sky."""
    of_houses: np.ndarray
    """The same without cars and people: it falls on those."""
    corner: tuple[float, float]
    """x and z of the first pixel, metres."""
    pixels_per_metre: float

    def at(self, points: np.ndarray, sun: np.ndarray, *, of_all: bool) -> np.ndarray:
        """[N, 2] at world points [N, 3], moved along the sun's rays to the ground."""
        x = points[:, 0] - sun[0] / sun[1] * points[:, 1]
        z = points[:, 2] - sun[2] / sun[1] * points[:, 1]
        picture = self.of_all if of_all else self.of_houses
        scale = self.pixels_per_metre
        return look_up(picture, (x - self.corner[0]) * scale, (z - self.corner[1]) * scale)


@dataclass(frozen=True)
class Weather:
    """Light and air."""

    sun: np.ndarray
    """[3], length 1, towards the sun."""
    sun_colour: np.ndarray
    sky_colour: np.ndarray
    """What lights the shade."""
    haze_colour: np.ndarray
    """Of the air at the horizon, 0 to 255."""
    sight: float = 330.0
    """Metres after which a third of an object's own colour is left."""


def shade(
    hits: Hits,
    patches: np.ndarray,
    surfaces: Sequence[Surface],
    *,
    camera: Camera,
    weather: Weather,
    shadows: ShadowMap,
) -> np.ndarray:
    """The colours of what was hit, float32 [H, W, 3], 0 to 255 and brighter."""
    flat = hits.patch.ravel()
    order = np.argsort(flat, kind="stable")
    numbers, starts = np.unique(flat[order], return_index=True)
    colours = np.zeros((flat.size, 3), np.float32)
    u, v, nearness = hits.u.ravel(), hits.v.ravel(), hits.nearness.ravel()
    sunlight, skylight = _lights(patches, surfaces, camera, weather)
    for number, pixels in zip(numbers, np.split(order, starts[1:]), strict=True):
        if number < 0:
            continue
        surface, patch = surfaces[number], patches[number]
        here = u[pixels], v[pixels]
        steps = _steps(hits.matrices[number], *here, nearness[pixels])
        colour = surface.texture.colours(*here, *steps).astype(np.float32)
        if surface.light != "own":
            sun, sky = (light[number] for light in (sunlight, skylight))
            colour *= _shadowed(surface, patch, here, sun, sky, sun_direction=weather.sun, shadows=shadows)
        if surface.has_haze:
            clear = np.exp(-1 / (nearness[pixels, None] * weather.sight))
            colour = colour * clear + weather.haze_colour.astype(np.float32) * (1 - clear)
        colours[pixels] = colour
    return colours.reshape(*hits.patch.shape, 3)


def _lights(
    patches: np.ndarray, surfaces: Sequence[Surface], camera: Camera, weather: Weather
) -> tuple[np.ndarray, np.ndarray]:
    """What the sun and what the sky gives to each patch where nothing is in between: two of float32 [P, 3]."""
    normals = np.cross(patches[:, 1], patches[:, 2])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    # the side that we see
    normals *= np.where(((camera.position - patches[:, 0]) * normals).sum(axis=1) < 0, -1, 1)[:, None]
    has_slope = np.array([surface.light == "sun" for surface in surfaces])
    slope = np.where(has_slope, np.maximum(normals @ weather.sun, 0), 0.75)
    openness = np.where(has_slope, 0.85 + 0.15 * normals[:, 1], 1.0)  # the sky is above
    sun, sky = slope[:, None] * weather.sun_colour, openness[:, None] * weather.sky_colour
    return sun.astype(np.float32), sky.astype(np.float32)


def _shadowed(
    surface: Surface,
    patch: np.ndarray,
    here: tuple[np.ndarray, np.ndarray],
    sun: np.ndarray,
    sky: np.ndarray,
    *,
    sun_direction: np.ndarray,
    shadows: ShadowMap,
) -> np.ndarray:
    """What reaches the places ``here`` of a patch: [1, 3], or [N, 3] where shadows fall on it."""
    if surface.shadow == "none":
        return (sun + sky)[None]
    places = np.stack((np.ones_like(here[0]), *here), axis=1)
    points = places @ patch.astype(np.float32)
    hidden = shadows.at(points, sun_direction, of_all=surface.shadow == "ground")
    return (1 - hidden[:, :1]) * sun + (1 - hidden[:, 1:]) * sky


@dataclass(frozen=True)
class Motion:
    """Where the pixels of one frame are in another."""

    flow: np.ndarray
    """float64 [H, W, 2], pixels, x then y."""
    is_hidden: np.ndarray
    """bool [H, W]: not to be seen in the other frame."""


def motion(hits: Hits, other: Hits, other_patches: np.ndarray, other_camera: Camera) -> Motion:
    """Exact motion from the frame of ``hits`` to that of ``other``, in which the patches lie at ``other_patches``."""
    height, width = hits.patch.shape
    place = other_patches[hits.patch]
    points = place[..., 0, :] + hits.u[..., None] * place[..., 1, :] + hits.v[..., None] * place[..., 2, :]
    seen = other_camera.seen(points)
    depth = np.maximum(seen[..., 2], NEAR)
    pixels = seen @ other_camera.intrinsics(height, width).T
    position = pixels[..., :2] / depth[..., None]
    flow = position - np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)

    nearest = np.clip(np.rint(position), -1e6, 1e6).astype(np.int64)
    x, y = nearest[..., 0], nearest[..., 1]
    is_outside = (x < 0) | (x >= width) | (y < 0) | (y >= height) | (seen[..., 2] <= NEAR)
    at = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    # half a pixel aside a slope is nearer: 3 % is no other object
    is_behind = (other.patch[at] != hits.patch) & (other.nearness[at] * depth > 1.03)
    return Motion(np.clip(flow, -FAR_FLOW, FAR_FLOW), is_outside | is_behind)
