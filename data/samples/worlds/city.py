"""The toy city: a street with houses, trees and traffic, and the car that films it.

Everything follows from the seed and the time in seconds; the city has no first and no last frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from data.samples.worlds import city_paint as paint
from data.samples.worlds.city_render import (
    Camera,
    Hits,
    Motion,
    ShadowMap,
    Surface,
    Texture,
    Weather,
    motion,
    rasterise,
    shade,
)
from data.samples.worlds.city_things import (
    CAR_COLOURS,
    CAR_SHAPES,
    Car,
    Cyclist,
    Fixed,
    Looks,
    Thing,
    Walker,
    box_points,
)

ROAD, SIDEWALK, BUILDING, WALL, POLE, LIGHT, SIGN, VEGETATION, TERRAIN, SKY = 7, 8, 11, 12, 17, 19, 20, 21, 22, 23

# metres from the middle of the road
KERB, FRONT = 5.2, 9.4
PARKING = 2.0
KERB_HEIGHT = 0.14
BEGIN, END = -30.0, 225.0
"""Where the street begins, behind the camera, and where houses close it."""

SHADOW_SCALE = 11.0
"""Pixels of the shadow map for each metre."""
SHADOW_CORNER = (-15.0, BEGIN)


@dataclass(frozen=True)
class Frame:
    """One moment of the drive."""

    image: np.ndarray
    """uint8 [H, W, 3]."""
    labels: np.ndarray
    """uint8 [H, W]: Cityscapes label ids."""
    instances: np.ndarray
    """uint16 [H, W]: the label, or label * 1000 + number for what can be counted."""
    forward: Motion
    """To the next frame."""
    backward: Motion
    """To the frame before: ``warp(previous image, backward.flow)`` looks like this image."""


@dataclass(frozen=True)
class _Moment:
    seconds: float
    patches: np.ndarray
    camera: Camera
    hits: Hits
    """At the middles of the pixels, exactly."""


class City:
    """A street and a drive through it."""

    def __init__(self, seed: int) -> None:
        """Build the street of that seed."""
        rng = np.random.default_rng((2207, seed))
        side = 1.0 if rng.random() < 0.5 else -1.0
        sun = np.array((-0.5 * side, rng.uniform(0.66, 0.78), -rng.uniform(0.42, 0.56)))
        self.weather = Weather(
            sun=sun / np.linalg.norm(sun),
            sun_colour=np.array((1.1, 1.0, 0.82)),
            sky_colour=np.array((0.47, 0.51, 0.58)),
            haze_colour=np.array((206.0, 214, 222)),
        )
        self._speed, self._sway = rng.uniform(5.8, 7.2), rng.uniform(0, 2 * np.pi, 3)
        self._things = _build_street(rng, self.weather, self._speed)
        self._sky = Surface(paint.sky(rng, horizon=self.weather.haze_colour), SKY, light="own", has_haze=False)
        self.surfaces = [surface for thing in self._things for surface in thing.surfaces] + [self._sky]
        self._labels = np.array([surface.label for surface in self.surfaces], np.uint8)
        self._instances = np.array([surface.instance_id for surface in self.surfaces], np.uint16)

    def camera(self, seconds: float) -> Camera:
        """Behind the wind screen of a car in the right lane, which sways a little."""
        first, second, third = self._sway
        yaw = 0.008 * np.sin(1.1 * seconds + first)
        pitch = 0.003 * np.sin(5.1 * seconds + second) + 0.002 * np.sin(8.3 * seconds + third)
        x = 1.62 + 0.1 * np.sin(0.8 * seconds + first)
        z = self._speed * seconds + 0.25 * np.sin(1.3 * seconds + third)
        position = np.array((x, 1.42 + 0.012 * np.sin(6.3 * seconds + third), z))
        ahead = np.array((np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)))
        right = np.array((np.cos(yaw), 0, -np.sin(yaw)))
        return Camera(position, np.stack((right, -np.cross(ahead, right), ahead)))

    def patches(self, seconds: float) -> np.ndarray:
        """Where every patch lies, [P, 3, 3], in the order of ``surfaces``."""
        eye = self.camera(seconds).position
        # the sky goes with the camera: it is too far away to come nearer
        sky = np.array([[(-1300, 560, 2000), (2600, 0, 0), (0, -700, 0)]], float)
        sky[:, 0] += eye
        return np.concatenate([thing.patches(seconds, eye) for thing in self._things] + [sky])

    def frames(self, num_frames: int, *, frames_per_second: float, height: int, width: int) -> Iterator[Frame]:
        """A video of the drive. Its first frame has a frame before it, and its last one after it, as all the others."""
        moments = (
            self._moment(number / frames_per_second, height=height, width=width) for number in range(-1, num_frames + 1)
        )
        previous, here = next(moments), next(moments)
        for following in moments:
            yield Frame(
                image=self._image(here, height=height, width=width),
                labels=self._labels[here.hits.patch],
                instances=self._instances[here.hits.patch],
                forward=motion(here.hits, following.hits, following.patches, following.camera),
                backward=motion(here.hits, previous.hits, previous.patches, previous.camera),
            )
            previous, here = here, following

    def _moment(self, seconds: float, *, height: int, width: int) -> "_Moment":
        patches, camera = self.patches(seconds), self.camera(seconds)
        hits = rasterise(patches, self.surfaces, camera, height=height, width=width, precision=np.float64)
        return _Moment(seconds, patches, camera, hits)

    def _image(self, moment: "_Moment", *, height: int, width: int) -> np.ndarray:
        """The view, uint8 [H, W, 3]; four samples a pixel."""
        patches, camera = moment.patches, moment.camera
        hits = rasterise(patches, self.surfaces, camera, height=2 * height, width=2 * width)
        shadows = ShadowMap(self._shadows(moment.seconds), self._house_shadows, SHADOW_CORNER, SHADOW_SCALE)
        colours = shade(hits, patches, self.surfaces, camera=camera, weather=self.weather, shadows=shadows)
        colours = cv2.resize(colours, (width, height), interpolation=cv2.INTER_AREA)
        return np.round(_toned(colours)).astype(np.uint8)

    def _shadows(self, seconds: float) -> np.ndarray:
        moving = [body for thing in self._things if not isinstance(thing, Fixed) for body in thing.silhouettes(seconds)]
        moving_map = _cast(moving, self.weather.sun, softness=0.07)
        return 1 - (1 - moving_map) * (1 - self._house_shadows)

    @cached_property
    def _house_shadows(self) -> np.ndarray:
        fixed = [body for thing in self._things if isinstance(thing, Fixed) for body in thing.silhouettes(0)]
        return _cast(fixed, self.weather.sun, softness=0.14)


def _toned(colours: np.ndarray) -> np.ndarray:
    """``colours`` within 0 to 255: what is too bright bends instead of breaking off."""
    knee = 200.0
    over = np.maximum(colours - knee, 0)
    return np.minimum(colours, knee) + (255 - knee) * (1 - np.exp(-over / (255 - knee)))


def _cast(bodies: list[np.ndarray], sun: np.ndarray, *, softness: float) -> np.ndarray:
    """What convex bodies take of the sun and, near their feet, of the sky: float32 [Z, X, 2]."""
    size = round((END + 20 - BEGIN) * SHADOW_SCALE), round(-2 * SHADOW_CORNER[0] * SHADOW_SCALE)
    sunless, skyless = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    for body in bodies:
        ground = body[:, [0, 2]]
        shadow = ground - sun[[0, 2]] / sun[1] * body[:, 1:2]
        for picture, points in ((sunless, shadow), (skyless, ground)):
            if picture is skyless and body[:, 1].min() > 0.5:
                continue  # crowns of trees: no foot
            pixels = np.round((points - SHADOW_CORNER) * (SHADOW_SCALE * 16)).astype(np.int32)
            cv2.fillConvexPoly(picture, cv2.convexHull(pixels), 255, cv2.LINE_AA, shift=4)
    sun_hidden = cv2.GaussianBlur(sunless, (0, 0), softness * SHADOW_SCALE)
    # blurring a quarter of the pixels is as good for what is this soft
    small = cv2.resize(skyless, (size[1] // 4, size[0] // 4), interpolation=cv2.INTER_AREA)
    sky_hidden = cv2.resize(cv2.GaussianBlur(small, (0, 0), 1.6), (size[1], size[0])) * 0.62
    return np.stack((sun_hidden, sky_hidden), axis=-1).astype(np.float32) / 255


# ---- the street


def _build_street(rng: np.random.Generator, weather: Weather, speed: float) -> list[Thing]:
    first = rng.uniform(27, 44)
    crossings = [(first, first + 8.5), (first + rng.uniform(62, 78), 0.0)]
    crossings[1] = (crossings[1][0], crossings[1][0] + 8.0)
    fixed = Fixed()
    _ground(rng, fixed, crossings)
    starts, ends = [BEGIN, *(end for _, end in crossings)], [*(start for start, _ in crossings), END - 9]
    blocks = list(zip(starts, ends, strict=True))
    crowns = [paint.crown(rng, tint=tint) for tint in paint.LEAVES for _ in range(3)]
    for side in (-1, 1):
        is_sunlit = side * weather.sun[0] < 0
        for start, end in blocks:
            _pavement(rng, fixed, side, start, end)
            _houses(rng, fixed, side, start, end, crowns=crowns, is_sunlit=is_sunlit)
            _street_trees(rng, fixed, side, start + 3, end - 4, crowns=crowns)
            _lamps(fixed, side, start + 5, end - 2)
    _closing_houses(rng, fixed)
    for start, end in crossings:
        _signals(rng, fixed, start, end)
    return [fixed, *_traffic(rng, crossings, speed), *_people(rng, crossings)]


def _ground(rng: np.random.Generator, fixed: Fixed, crossings: list[tuple[float, float]]) -> None:
    length = END - BEGIN
    texture = paint.road(rng, 2 * KERB, parking=PARKING, repeat=length / paint.TILE)
    fixed.add(Surface(texture, ROAD, shadow="ground"), (-KERB, 0, END), (2 * KERB, 0, 0), (0, 0, -length))
    zebra = Surface(paint.crossing(2 * KERB), ROAD, shadow="ground")
    for start, end in [*crossings, (END - 9, END)]:
        side_road = Surface(paint.asphalt(rng, 40, end - start), ROAD, shadow="ground")
        for x in (-KERB - 40, KERB):
            fixed.add(side_road, (x, 0, end), (40, 0, 0), (0, 0, start - end))
        fixed.add(zebra, (-KERB, 0.012, start - 0.6), (2 * KERB, 0, 0), (0, 0, -2.6))


def _pavement(rng: np.random.Generator, fixed: Fixed, side: int, start: float, end: float) -> None:
    width = FRONT - KERB + 5
    texture = paint.pavement(rng, width, repeat=(end - start) / 12)
    kerb = Surface(paint.plain((150, 148, 142)), SIDEWALK, shadow="ground")
    fixed.add(Surface(texture, SIDEWALK, shadow="ground"), (side * KERB, KERB_HEIGHT, end), (side * width, 0, 0),
              (0, 0, start - end))  # fmt: skip
    fixed.add(kerb, (side * KERB, KERB_HEIGHT, end), (0, 0, start - end), (0, -KERB_HEIGHT, 0))
    fixed.add(kerb, (side * KERB, KERB_HEIGHT, start), (side * width, 0, 0), (0, -KERB_HEIGHT, 0))


def _houses(
    rng: np.random.Generator, fixed: Fixed, side: int, start: float, end: float, *,
    crowns: list[Texture], is_sunlit: bool,
) -> None:  # fmt: skip
    """Fill a block with houses, now and then one with a front garden, or a small park."""
    z, previous = start, -1
    while end - z > 1:
        width = min(rng.uniform(8.5, 14.5), end - z)
        if end - z - width < 6:
            width = end - z  # no sliver at the end
        kind = rng.random()
        if kind < 0.13 and width > 9 and z > start + 5:
            _park(rng, fixed, side, z, z + width, crowns=crowns)
        else:
            wall = int(rng.integers(len(paint.WALLS)))
            wall = wall if wall != previous else (wall + 3) % len(paint.WALLS)
            garden = 3.2 if kind > 0.84 else 0.0
            _house(rng, fixed, side, z, z + width, wall=paint.WALLS[wall], garden=garden, is_sunlit=is_sunlit)
            previous = wall
        z += width


def _house(
    rng: np.random.Generator, fixed: Fixed, side: int, start: float, end: float, *,
    wall: paint.Colour, garden: float, is_sunlit: bool,
) -> None:  # fmt: skip
    width, depth = end - start, 11.0
    height = rng.uniform(7.5, 9.5) if garden else rng.uniform(9.5, 14.0)
    gable = rng.uniform(2.4, 3.8)
    front = side * (FRONT + garden)
    has_shop = not garden and rng.random() < 0.6
    texture = paint.facade(rng, width, height, wall=wall, has_shop=has_shop, is_sunlit=is_sunlit)
    base = KERB_HEIGHT
    # the pictures' left is the near end on the left side of the street, the far end on the right
    left, right = (end, -width) if side > 0 else (start, width)
    fixed.add(Surface(texture, BUILDING), (front, height + base, left), (0, 0, right), (0, -height, 0))
    ridge = (front + side * depth / 2, height + base + gable, left)
    fixed.add(Surface(paint.roof(rng, width, np.hypot(depth / 2, gable)), BUILDING), ridge, (0, 0, right),
              (-side * depth / 2, -gable, 0))  # fmt: skip
    gable_wall = paint.blind_wall(rng, depth, height + gable, wall=wall, gable=gable)
    fixed.add(Surface(gable_wall, BUILDING), (front, height + gable + base, start), (side * depth, 0, 0),
              (0, -height - gable, 0))  # fmt: skip
    # the sun sees a box that is a little higher than the eaves
    fixed.bodies.append(box_points((min(front, front + side * depth), 0, start),
                                   (max(front, front + side * depth), height + 0.3 * gable, end)))  # fmt: skip
    if garden:
        lawn = Surface(paint.grass(rng, garden, width), TERRAIN, shadow="ground")
        fixed.add(lawn, (side * FRONT, base + 0.02, end), (side * garden, 0, 0), (0, 0, -width))
        _garden_wall(rng, fixed, side, start, end, height=rng.uniform(0.7, 1.0))
        bushes = Surface(paint.hedge(rng, width, 1.4), VEGETATION, light="even", shadow="thing")
        fixed.add(bushes, (side * (FRONT + 0.5), 1.4 + base, left), (0, 0, right), (0, -1.4, 0))


def _garden_wall(rng: np.random.Generator, fixed: Fixed, side: int, start: float, end: float, *, height: float) -> None:
    texture = paint.stones(rng, end - start, height)
    left, right = (end, start - end) if side > 0 else (start, end - start)
    x = side * (FRONT + 0.05)
    fixed.add(Surface(texture, WALL, shadow="thing"), (x, height + KERB_HEIGHT, left), (0, 0, right), (0, -height, 0))
    fixed.bodies.append(box_points((min(x, x + side * 0.2), 0, start), (max(x, x + side * 0.2), height, end)))


def _park(
    rng: np.random.Generator, fixed: Fixed, side: int, start: float, end: float, *, crowns: list[Texture]
) -> None:
    lawn = Surface(paint.grass(rng, 14, end - start), TERRAIN, shadow="ground")
    fixed.add(lawn, (side * FRONT, KERB_HEIGHT + 0.02, end), (side * 14, 0, 0), (0, 0, start - end))
    _garden_wall(rng, fixed, side, start, end, height=0.6)
    for x, height in ((FRONT + 11, 7.5), (FRONT + 12, 10.5)):
        green = Surface(paint.hedge(rng, end - start, height), VEGETATION, light="even")
        left, right = (end, start - end) if side > 0 else (start, end - start)
        fixed.add(green, (side * x, height, left), (0, 0, right), (0, -height, 0))
    for z in np.arange(start + 3, end - 2, 4.5):
        _tree(rng, fixed, side * rng.uniform(FRONT + 2, FRONT + 7), z, crowns=crowns)


def _street_trees(
    rng: np.random.Generator, fixed: Fixed, side: int, start: float, end: float, *, crowns: list[Texture]
) -> None:
    for z in np.arange(start + rng.uniform(2, 7), end, rng.uniform(12, 17)):
        if rng.random() < 0.72:
            _tree(rng, fixed, side * (KERB + 0.95), z, crowns=crowns)


def _tree(rng: np.random.Generator, fixed: Fixed, x: float, z: float, *, crowns: list[Texture]) -> None:
    """A trunk and a crown of three flat layers behind one another."""
    width, stem = rng.uniform(3.6, 4.8), rng.uniform(2.3, 2.9)
    tall = width * rng.uniform(1.0, 1.25)
    first = 3 * int(rng.integers(len(crowns) // 3))  # three crowns of one kind follow each other
    trunk = Surface(paint.bark(rng), VEGETATION, light="even", shadow="none")
    fixed.add(trunk, (x - 0.14, stem + 1.2, z), (0.28, 0, 0), (0, -stem - 1.2, 0))
    for layer, (offset, share) in enumerate(((0.9, 0.86), (0.0, 1.0), (-0.8, 0.74))):
        leaves = crowns[first + (layer + round(x * 7)) % 3]
        wide, high = width * share, tall * share
        middle = x + rng.uniform(-0.2, 0.2), stem + tall / 2 + rng.uniform(-0.2, 0.2)
        fixed.add(Surface(leaves, VEGETATION, light="even"), (middle[0] - wide / 2, middle[1] + high / 2, z + offset),
                  (wide, 0, 0), (0, -high, 0))  # fmt: skip
    fixed.bodies.append(box_points((x - 0.12, 0, z - 0.12), (x + 0.12, stem + 1, z + 0.12)))
    for _ in range(46):  # the shadow of leaves has holes
        centre = np.array((x, stem + tall / 2, z)) + rng.normal(0, 0.24, 3) * (width, tall, width * 0.8)
        angles = np.linspace(0, 2 * np.pi, 8)
        radius = rng.uniform(0.12, 0.5)
        fixed.bodies.append(centre + radius * np.stack((np.cos(angles), 0 * angles, np.sin(angles)), axis=1))


def _lamps(fixed: Fixed, side: int, start: float, end: float) -> None:
    steel = Surface(paint.round_post((112, 118, 122)), POLE, light="even")
    x = side * (KERB + 0.42)
    for z in np.arange(start, end, 26.0):
        fixed.add(steel, (x - 0.07, 6.6, z), (0.14, 0, 0), (0, -6.6, 0))
        fixed.add(steel, (min(x, x - side * 1.5), 6.62, z - 0.01), (1.5, 0, 0), (0, -0.09, 0))
        fixed.add(steel, (x - side * 1.3 - 0.3, 6.66, z - 0.02), (0.6, 0, 0), (0, -0.17, 0))
        fixed.bodies.append(box_points((x - 0.06, 0, z - 0.06), (x + 0.06, 6.6, z + 0.06)))


def _signals(rng: np.random.Generator, fixed: Fixed, start: float, end: float) -> None:
    """Traffic lights before and behind a crossing, and a sign on its way there."""
    steel = Surface(paint.round_post((92, 96, 98)), POLE, light="even")
    lamps = Surface(paint.traffic_light(lit=2), LIGHT, light="even")
    back = paint.plain((112, 114, 116))
    for x, z in ((KERB + 0.4, start - 0.4), (-KERB - 0.4, end + 0.6), (KERB + 0.4, end + 0.6)):
        fixed.add(steel, (x - 0.06, 3.5, z), (0.12, 0, 0), (0, -3.5, 0))
        fixed.add(lamps, (x - 0.19, 3.5, z - 0.12), (0.38, 0, 0), (0, -1.05, 0))
        fixed.bodies.append(box_points((x - 0.06, 0, z - 0.06), (x + 0.06, 3.5, z + 0.06)))
    for side in (1, -1):
        for z in (start - rng.uniform(9, 12), start - rng.uniform(22, 25), end + rng.uniform(7, 9)):
            x = side * (KERB + 0.45)
            fixed.add(steel, (x - 0.035, 2.9, z), (0.07, 0, 0), (0, -2.9, 0))
            sign = paint.traffic_sign(rng)
            texture = sign if side > 0 else Texture(back.picture, opacity=sign.opacity)
            surface = Surface(texture, SIGN, light="even")
            fixed.add(surface, (x - 0.36, 2.92, z - 0.03), (0.72, 0, 0), (0, -0.72, 0))
            fixed.bodies.append(box_points((x - 0.3, 2.2, z), (x + 0.3, 2.9, z)))


def _closing_houses(rng: np.random.Generator, fixed: Fixed) -> None:
    """The street ends at houses across it."""
    x = -46.0
    while x < 46:
        width, height = rng.uniform(9, 14), rng.uniform(11, 17)
        wall = paint.WALLS[rng.integers(len(paint.WALLS))]
        front = paint.facade(rng, width, height, wall=wall, has_shop=True, is_sunlit=True)
        fixed.add(Surface(front, BUILDING), (x, height, END), (width, 0, 0), (0, -height, 0))
        top = Surface(paint.roof(rng, width, 6), BUILDING)
        fixed.add(top, (x, height + 3.5, END + 5), (width, 0, 0), (0, -3.5, -5))
        x += width


# ---- who is on the way


def _traffic(rng: np.random.Generator, crossings: list[tuple[float, float]], speed: float) -> list[Thing]:
    cars: list[Thing] = []

    def add(x: float, z: float, heading: float, car_speed: float) -> None:
        # vans are rare
        shape = CAR_SHAPES[rng.choice(len(CAR_SHAPES), p=(0.32, 0.28, 0.28, 0.12))]
        colour = CAR_COLOURS[rng.integers(len(CAR_COLOURS))]
        start = np.array((x, 0.0, z))
        cars.append(Car(shape, colour, number=len(cars), start=start, heading=heading, speed=car_speed))

    add(1.7, rng.uniform(15, 21), 0, speed * rng.uniform(0.98, 1.08))
    add(1.7, rng.uniform(52, 66), 0, speed * rng.uniform(1.05, 1.2))
    for z in (rng.uniform(24, 40), rng.uniform(62, 80), rng.uniform(105, 125)):
        add(-1.6, z, np.pi, 8.4)
    for side in (-1, 1):
        z = -4.0
        while z < 170:
            z += rng.uniform(5.8, 7.0)
            is_free = all(end + 4 < z or z < start - 6.5 for start, end in crossings)
            if is_free and rng.random() < 0.5:
                add(side * (KERB - 1.02), z, 0 if side > 0 else np.pi, 0)
    return cars


def _people(rng: np.random.Generator, crossings: list[tuple[float, float]]) -> list[Thing]:
    people: list[Thing] = []
    for number in range(22):
        side = 1 if number % 2 else -1
        heading = 0.0 if rng.random() < 0.5 else np.pi
        z = rng.uniform(6, 24) if number < 6 else rng.uniform(16, 110)
        speed = 0.0 if number % 7 == 6 else rng.uniform(1.0, 1.6)
        is_on_road = any(start - 6 < z < end + 6 for start, end in crossings)
        start = np.array((side * rng.uniform(KERB + 1.2, FRONT - 0.7), KERB_HEIGHT, z - 14 * is_on_road))
        people.append(Walker(Looks.draw(rng), number=number, start=start, heading=heading, speed=speed,
                             phase=rng.uniform(0, 6)))  # fmt: skip
    for number, (x, z, heading) in enumerate(((2.75, rng.uniform(26, 34), 0.0), (-2.8, rng.uniform(40, 60), np.pi))):
        people.append(Cyclist(Looks.draw(rng), number=number, start=np.array((x, 0.0, z)), heading=heading, speed=4.6))
    return people
