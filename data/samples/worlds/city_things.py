"""Things that move in the toy city: cars with turning wheels, people whose legs walk, a cyclist.

Every thing tells at any time where its patches lie and what it hides from the sun.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from data.samples.worlds import city_paint as paint
from data.samples.worlds.city_render import Surface, Texture

PERSON, RIDER, CAR, BICYCLE = 24, 25, 26, 33


class Thing(Protocol):
    """Something made of patches."""

    surfaces: list[Surface]

    def patches(self, seconds: float, eye: np.ndarray) -> np.ndarray:
        """[P, 3, 3] at that time: corner, edge to the right, edge down; flat parts may turn to ``eye`` [3]."""
        ...

    def silhouettes(self, seconds: float) -> list[np.ndarray]:
        """Convex bodies that cast shadows, each as points [N, 3]."""
        ...


class Fixed:
    """What stays where it is."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.surfaces: list[Surface] = []
        self.bodies: list[np.ndarray] = []
        self._patches: list[np.ndarray] = []

    def add(self, surface: Surface, corner: object, right: object, down: object) -> None:
        """One more patch."""
        self.surfaces.append(surface)
        self._patches.append(np.array([corner, right, down], float))

    def patches(self, seconds: float, eye: np.ndarray) -> np.ndarray:
        """See ``Thing``."""
        return np.stack(self._patches)

    def silhouettes(self, seconds: float) -> list[np.ndarray]:
        """See ``Thing``."""
        return self.bodies


def box_points(low: tuple[float, float, float], high: tuple[float, float, float]) -> np.ndarray:
    """The corners [8, 3] of a box."""
    return np.array([(x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])


def turned(points: np.ndarray, heading: float) -> np.ndarray:
    """``points`` [..., 3] turned about the upright axis; a heading of 0 looks ahead (z), pi towards us."""
    cosine, sine = np.cos(heading), np.sin(heading)
    return points @ np.array([(cosine, 0, -sine), (0, 1, 0), (sine, 0, cosine)])


# ---- cars


@dataclass(frozen=True)
class CarShape:
    """Metres; z ahead from the middle of the car."""

    length: float
    width: float
    cabin: tuple[float, float]
    """Where the windows begin at the rear and end in front, at their lower edge."""
    slopes: tuple[float, float]
    """How far rear window and wind screen lean, as shares of the cabin."""
    body: float = 0.68
    cabin_height: float = 0.56
    inset: float = 0.17


CAR_SHAPES = (
    CarShape(4.5, 1.78, (-1.7, 1.0), (0.24, 0.34)),
    CarShape(3.9, 1.7, (-1.9, 0.85), (0.12, 0.32), body=0.72),
    CarShape(4.6, 1.8, (-2.25, 1.05), (0.1, 0.3)),
    CarShape(5.0, 1.9, (-2.46, 1.65), (0.02, 0.22), body=0.86, cabin_height=0.95, inset=0.12),
)
CAR_COLOURS = ((176, 30, 34), (38, 62, 112), (206, 208, 210), (232, 232, 228), (58, 62, 66), (30, 32, 36),
               (120, 134, 146), (42, 84, 70), (206, 164, 60))  # fmt: skip
FLOOR, WHEEL = 0.22, 0.32


class Car:
    """A car, parked or driving along the street."""

    def __init__(
        self, shape: CarShape, colour: paint.Colour, *, number: int, start: np.ndarray, heading: float, speed: float
    ) -> None:
        """Paint the car.

        Args:
            shape: its kind.
            colour: of the paint.
            number: among all cars.
            start: [3], the point of the road below its middle at second 0.
            heading: 0 drives away from us, pi towards us.
            speed: metres per second.
        """
        self.shape, self.start, self.heading, self.speed = shape, start, heading, speed
        self._body: list[tuple[Texture, tuple[np.ndarray, ...]]] = []
        self._build(colour)
        axles, beside = (-shape.length * 0.31, shape.length * 0.32), shape.width / 2 + 0.012
        self._wheels = [(x, z) for x in (-beside, beside) for z in axles]
        textures = [texture for texture, _ in self._body] + [paint.car_wheel()] * len(self._wheels)
        self.surfaces = [Surface(texture, CAR, number, shadow="thing") for texture in textures]

    def _add(self, texture: Texture, corner: object, right: object, down: object) -> None:
        self._body.append((texture, tuple(np.array(part, float) for part in (corner, right, down))))

    def _build(self, colour: paint.Colour) -> None:
        shape = self.shape
        half, long, top = shape.width / 2, shape.length, FLOOR + shape.body
        rear, front = shape.cabin
        cabin = front - rear
        wheels = long * 0.19, long * 0.82
        side = paint.car_side(colour, long, shape.body, wheels, WHEEL)
        windows = paint.car_windows(colour, cabin, shape.slopes)
        high, inset = shape.cabin_height, shape.inset
        for x in (-half, half):
            inward = -np.sign(x) * inset
            self._add(side, (x, top, -long / 2), (0, 0, long), (0, -shape.body, 0))
            self._add(windows, (x * 0.995 + inward, top + high, rear), (0, 0, cabin), (-inward, -high, 0))
        self._add(paint.car_end(colour, shape.width, shape.body, is_rear=True),
                  (-half, top, -long / 2), (shape.width, 0, 0), (0, -shape.body, 0))  # fmt: skip
        self._add(paint.car_end(colour, shape.width, shape.body, is_rear=False),
                  (half, top - 0.06, long / 2 - 0.02), (-shape.width, 0, 0), (0, -shape.body + 0.06, 0))  # fmt: skip
        gloss, mat = paint.car_top(colour, gloss=0.35), paint.car_top(colour, gloss=0.15)
        self._add(gloss, (-half, top, front), (shape.width, 0, 0), (0, -0.06, long / 2 - front - 0.03))
        self._add(mat, (-half, top, rear), (shape.width, 0, 0), (0, 0, -long / 2 - rear + 0.01))
        wide = shape.width * 0.98
        screen = paint.car_screen(colour, wide, inset)
        lean_rear, lean_front = shape.slopes[0] * cabin, shape.slopes[1] * cabin
        self._add(screen, (-wide / 2, top + high, front - lean_front), (wide, 0, 0), (0, -high, lean_front))
        self._add(screen, (-wide / 2, top + high, rear + lean_rear), (wide, 0, 0), (0, -high, -lean_rear))
        roof = wide - 2 * inset
        self._add(mat, (-roof / 2, top + high, front - lean_front), (roof, 0, 0),
                  (0, 0, -cabin + lean_front + lean_rear))  # fmt: skip
        tyre = paint.plain((30, 30, 32))
        for x in (-half + 0.02, half - 0.22):
            self._add(tyre, (x, 0.3, -long * 0.31 - 0.24), (0.2, 0, 0), (0, -0.29, 0.1))
            self._add(tyre, (x, 0.3, long * 0.32 + 0.24), (0.2, 0, 0), (0, -0.29, -0.1))

    def _position(self, seconds: float) -> np.ndarray:
        return self.start + turned(np.array((0, 0, self.speed * seconds)), self.heading)

    def patches(self, seconds: float, eye: np.ndarray) -> np.ndarray:
        """See ``Thing``."""
        angle = self.speed * seconds / WHEEL
        along = np.array((0, -np.sin(angle), np.cos(angle))) * (2 * WHEEL)
        down = np.array((0, -np.cos(angle), -np.sin(angle))) * (2 * WHEEL)
        wheels = [np.stack((np.array((x, WHEEL, z)) - (along + down) / 2, along, down)) for x, z in self._wheels]
        placed = turned(np.stack([np.stack(patch) for _, patch in self._body] + wheels), self.heading)
        placed[:, 0] += self._position(seconds)
        return placed

    def silhouettes(self, seconds: float) -> list[np.ndarray]:
        """See ``Thing``."""
        shape, position = self.shape, self._position(seconds)
        top = FLOOR + shape.body
        half = shape.width / 2
        cabin = box_points((-half + 0.2, top, shape.cabin[0] + 0.3), (half - 0.2, top + 0.55, shape.cabin[1] - 0.8))
        body = box_points((-half, 0.05, -shape.length / 2), (half, top, shape.length / 2))
        return [turned(body, self.heading) + position, turned(np.concatenate((cabin, body)), self.heading) + position]


# ---- people


def _places(**places: tuple[float, float, float]) -> dict[str, np.ndarray]:
    return {name: np.array(place, float) for name, place in places.items()}


def ribbons(
    starts: np.ndarray, ends: np.ndarray, widths: np.ndarray, eye: np.ndarray, *, extra: np.ndarray | float = 0.0
) -> np.ndarray:
    """Flat strips [N, 3, 3] from ``starts`` down to ``ends`` [N, 3] that face ``eye``.

    Args:
        starts, ends: metres.
        widths: [N], metres.
        eye: [3].
        extra: by so many metres, [N], each is longer at both ends.
    """
    down = ends - starts
    share = (extra / np.linalg.norm(down, axis=1))[:, None]
    starts, down = starts - down * share, down * (1 + 2 * share)
    right = np.cross(starts + down / 2 - eye, down)
    right *= (widths / np.maximum(np.linalg.norm(right, axis=1), 1e-9))[:, None]
    return np.stack((starts - right / 2, right, down), axis=1)


@dataclass(frozen=True)
class Looks:
    """Colours and size of a person."""

    height: float
    skin: paint.Colour
    hair: paint.Colour
    jacket: paint.Colour
    trousers: paint.Colour

    @staticmethod
    def draw(rng: np.random.Generator) -> "Looks":
        """Anybody."""

        def one_of(colours: tuple[paint.Colour, ...]) -> paint.Colour:
            return colours[rng.integers(len(colours))]

        return Looks(rng.uniform(1.58, 1.88), one_of(paint.SKINS), one_of(paint.HAIRS), one_of(paint.CLOTHES),
                     one_of(paint.TROUSERS))  # fmt: skip

    def textures(self, *, shows_face: bool) -> list[Texture]:
        """Far to near: thighs, shins, trunk, upper arms, lower arms, head."""
        sleeve = paint.scaled(self.jacket, 0.9)
        thigh, shin = paint.limb(self.trousers), paint.limb(self.trousers, end=(36, 32, 30), end_share=0.2)
        return [
            thigh, thigh, shin, shin,
            paint.limb(self.jacket, end=self.trousers, end_share=0.1, taper=0.82),
            paint.limb(sleeve), paint.limb(sleeve),
            paint.limb(sleeve, end=self.skin, end_share=0.3), paint.limb(sleeve, end=self.skin, end_share=0.3),
            paint.head(self.skin, self.hair, shows_face=shows_face),
        ]  # fmt: skip


STRIPS: tuple[tuple[str, str, float, float], ...] = (
    *((f"hip{side}", f"knee{side}", 0.185, 0.06) for side in "lr"),
    *((f"knee{side}", f"foot{side}", 0.15, 0.05) for side in "lr"),
    ("neck", "waist", 0.44, 0.05),
    *((f"shoulder{side}", f"elbow{side}", 0.13, 0.05) for side in "lr"),
    *((f"elbow{side}", f"hand{side}", 0.11, 0.05) for side in "lr"),
    ("crown", "chin", 0.22, 0.02),
)
"""The parts of a person in the order of ``Looks.textures``: from, to, width, how far they overlap."""


def figure(joints: dict[str, np.ndarray], size: float, eye: np.ndarray) -> np.ndarray:
    """The strips of a person, [10, 3, 3]; ``size`` is 1 for a height of 1.75 m."""
    starts = np.stack([joints[start] for start, *_ in STRIPS])
    ends = np.stack([joints[end] for _, end, *_ in STRIPS])
    widths, extra = size * np.array([(width, extra) for *_, width, extra in STRIPS]).T
    return ribbons(starts, ends, widths, eye, extra=extra)


class Walker:
    """Somebody who walks along the pavement, or stands."""

    def __init__(self, looks: Looks, *, number: int, start: np.ndarray, heading: float, speed: float, phase: float):
        """Dress the person; see ``Car`` for the rest. ``phase``: where in the step, in radians."""
        self.looks, self.start, self.heading, self.speed, self.phase = looks, start, heading, speed, phase
        textures = looks.textures(shows_face=np.cos(heading) < 0)
        self.surfaces = [Surface(texture, PERSON, number, light="even", shadow="thing") for texture in textures]

    def _joints(self, seconds: float) -> dict[str, np.ndarray]:
        size = self.looks.height / 1.75
        stride = min(1.0, self.speed / 1.2)
        phase = self.phase + 2 * np.pi * seconds * self.speed / 1.45
        bob = 0.02 * stride * np.cos(2 * phase)
        joints = _places(neck=(0, 1.46 + bob, 0), waist=(0, 0.9 + bob, 0), crown=(0, 1.76 + bob, 0.02),
                         chin=(0, 1.5 + bob, 0.02))  # fmt: skip
        for side, sign in (("l", -1.0), ("r", 1.0)):
            swing = stride * 0.46 * np.sin(phase + (np.pi if sign > 0 else 0))
            bend = stride * 0.75 * max(0.0, np.cos(phase + (np.pi if sign > 0 else 0))) ** 1.5 + 0.05
            hip = np.array((sign * 0.09, 0.92 + bob, 0))
            knee = hip + 0.44 * np.array((0, -np.cos(swing), np.sin(swing)))
            foot = knee + 0.46 * np.array((0, -np.cos(swing - bend), np.sin(swing - bend)))
            shoulder = np.array((sign * 0.2, 1.43 + bob, 0))
            elbow = shoulder + 0.29 * np.array((sign * 0.16, -np.cos(0.8 * swing), -np.sin(0.8 * swing)))
            lower = -0.8 * swing + 0.35
            hand = elbow + 0.28 * np.array((sign * 0.02, -np.cos(lower), np.sin(lower)))
            joints |= {f"hip{side}": hip, f"knee{side}": knee, f"foot{side}": foot, f"shoulder{side}": shoulder,
                       f"elbow{side}": elbow, f"hand{side}": hand}  # fmt: skip
        position = self.start + turned(np.array((0, 0, self.speed * seconds)), self.heading)
        return {name: turned(np.array(joint) * size, self.heading) + position for name, joint in joints.items()}

    def patches(self, seconds: float, eye: np.ndarray) -> np.ndarray:
        """See ``Thing``."""
        return figure(self._joints(seconds), self.looks.height / 1.75, eye)

    def silhouettes(self, seconds: float) -> list[np.ndarray]:
        """See ``Thing``."""
        return figure_bodies(self._joints(seconds))


def figure_bodies(joints: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The shadow casters of a person."""

    def rod(start: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
        around = radius * np.array([(1, 0, 0), (-1, 0, 0), (0, 0, 1), (0, 0, -1)])
        return np.concatenate((start + around, end + around))

    bodies = [rod(joints["neck"], joints["waist"], 0.2), rod(joints["crown"], joints["chin"], 0.1)]
    for side in "lr":
        bodies += [rod(joints[f"hip{side}"], joints[f"knee{side}"], 0.08),
                   rod(joints[f"knee{side}"], joints[f"foot{side}"], 0.06)]  # fmt: skip
    return bodies


class Cyclist:
    """Somebody on a bicycle: two objects to Cityscapes, a rider and a bicycle."""

    def __init__(self, looks: Looks, *, number: int, start: np.ndarray, heading: float, speed: float) -> None:
        """See ``Walker``."""
        self.looks, self.start, self.heading, self.speed = looks, start, heading, speed
        tube, wheel = paint.round_post((158, 34, 40)), paint.bicycle_wheel()
        textures = looks.textures(shows_face=np.cos(heading) < 0)
        self.surfaces = [Surface(texture, RIDER, number, light="even", shadow="thing") for texture in textures]
        self.surfaces += [
            Surface(texture, BICYCLE, number, light="even", shadow="thing") for texture in [tube] * 5 + [wheel] * 4
        ]

    def _joints(self, seconds: float) -> dict[str, np.ndarray]:
        turn = self.speed * seconds / 0.9
        joints = _places(neck=(0, 1.52, 0.22), waist=(0, 1.0, -0.18), crown=(0, 1.8, 0.32), chin=(0, 1.56, 0.3),
                         seat=(0, 0.94, -0.2), crank=(0, 0.32, 0.0), bar=(0, 1.05, 0.45), rear=(0, 0.34, -0.52),
                         front=(0, 0.34, 0.58), barl=(-0.28, 1.06, 0.42), barr=(0.28, 1.06, 0.42))  # fmt: skip
        for side, sign in (("l", -1.0), ("r", 1.0)):
            angle = turn + (np.pi if sign > 0 else 0)
            hip = np.array((sign * 0.1, 1.0, -0.18))
            foot = np.array((sign * 0.12, 0.34 - 0.16 * np.cos(angle), 0.16 * np.sin(angle)))
            middle, reach = (hip + foot) / 2, float(np.linalg.norm(hip - foot))
            bulge = np.sqrt(max(0.0, 0.46**2 - reach**2 / 4))
            knee = middle + bulge * np.array((0, 0.35, 0.94))
            shoulder = np.array((sign * 0.2, 1.48, 0.2))
            hand = np.array((sign * 0.27, 1.08, 0.43))
            elbow = (shoulder + hand) / 2 + np.array((sign * 0.08, -0.05, -0.02))
            joints |= {f"hip{side}": hip, f"knee{side}": knee, f"foot{side}": foot, f"shoulder{side}": shoulder,
                       f"elbow{side}": elbow, f"hand{side}": hand}  # fmt: skip
        position = self.start + turned(np.array((0, 0, self.speed * seconds)), self.heading)
        return {name: turned(np.array(joint), self.heading) + position for name, joint in joints.items()}

    def patches(self, seconds: float, eye: np.ndarray) -> np.ndarray:
        """See ``Thing``."""
        joints = self._joints(seconds)
        tubes = [("seat", "crank"), ("bar", "crank"), ("bar", "front"), ("crank", "rear"), ("barl", "barr")]
        starts, ends = (np.stack([joints[tube[end]] for tube in tubes]) for end in (0, 1))
        frame = ribbons(starts, ends, np.full(len(tubes), 0.045), eye)
        return np.concatenate((figure(joints, 1.0, eye), frame, self._wheels(joints, seconds, eye)))

    def _wheels(self, joints: dict[str, np.ndarray], seconds: float, eye: np.ndarray) -> np.ndarray:
        """Two discs, and two strips for who looks along the road and would see the discs edge-on."""
        angle = self.speed * seconds / 0.34
        along = turned(np.array((0, -np.sin(angle), np.cos(angle))), self.heading) * 0.68
        down = turned(np.array((0, -np.cos(angle), -np.sin(angle))), self.heading) * 0.68
        discs = [np.stack((joints[hub] - (along + down) / 2, along, down)) for hub in ("rear", "front")]
        hubs, up = np.stack((joints["rear"], joints["front"])), np.array((0, 0.33, 0))
        return np.concatenate((np.stack(discs), ribbons(hubs + up, hubs - up, np.full(2, 0.045), eye)))

    def silhouettes(self, seconds: float) -> list[np.ndarray]:
        """See ``Thing``."""
        joints = self._joints(seconds)
        up = np.array((0, 0.3, 0))
        wheels = [np.stack([joints[hub] + step for step in (up, -up, up * 0.9)]) for hub in ("rear", "front")]
        return figure_bodies(joints) + wheels
