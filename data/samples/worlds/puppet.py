"""The dancing puppet: its joints at any time, its picture, and what a detector or a motion camera would find.

A piece of the puppet moves by one affine map a frame. Where each of its pixels was or will be therefore follows
exactly. Positions are pixels of a frame of 256 x 448, x to the right and y down; the puppet faces us, so that its right
hand is on the left. Everything follows from the seed and the time in frames; the dance has no first and no last frame.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np

from data.kinds.openpose import BODY, FACE, LEFT_HAND, NUM_POINTS, RIGHT_HAND
from data.samples.worlds import puppet_paint as paint
from data.samples.worlds.puppet_paint import Piece

HEIGHT, WIDTH = 256, 448
FLOOR, GROUND = 178.0, 236.0
FRAMES_PER_SECOND = 25.0
BEAT = 22.0
"""Frames."""

UPPER_ARM, LOWER_ARM, THIGH, SHIN, NECK = 30.0, 27.0, 46.0, 44.0, 7.0
SHOULDER, HIP = 18.0, 9.0
"""Half widths."""
FINGER_BASES = ((1.5, -3.4), (8.4, -2.9), (8.9, -0.9), (8.5, 1.1), (7.6, 2.9))
FINGER_LENGTHS = (6.5, 7.6, 8.4, 7.8, 6.2)
EYE, MOUTH = (6.1, -1.6), (0.0, 11.0)
_LIGHT = np.array((-0.52, -0.58, 0.63))
_SUPER = 2


class Placed(NamedTuple):
    """A piece at a moment."""

    name: str
    matrix: np.ndarray
    """Affine map [2, 3] from the piece's units to pixels of the frame."""
    casts_shadow: bool = False


@dataclass(frozen=True)
class Motion:
    """Where the pixels of one frame are in another."""

    flow: np.ndarray
    """float32 [2, H, W], pixels, x then y."""
    is_hidden: np.ndarray
    """bool [H, W]: not to be seen in the other frame."""


@dataclass(frozen=True)
class Moment:
    """Everything that is known of a frame."""

    image: np.ndarray
    """uint8 [H, W, 3]."""
    densepose: np.ndarray
    """uint8 [H, W, 3]: U and V in 0..255, part index 0..24."""
    person: np.ndarray
    """float64 [137, 3], see ``data.kinds.openpose``."""
    forward: Motion
    """To the next frame."""
    backward: Motion
    """To the frame before."""


class Puppet:
    """One puppet, its clothes, its room and its dance."""

    def __init__(self, seed: int = 0) -> None:
        """Paint it; half a second."""
        rng = np.random.default_rng((seed, 4))
        self._phase = rng.uniform(0, 2 * np.pi, 16)
        self.pieces = _painted(rng, np.random.default_rng((seed, 5)))

    def moment(self, time: float) -> Moment:
        """The frame at ``time``."""
        before, now, after = (_Layout(self.placed(at), self.pieces) for at in (time - 1, time, time + 1))
        return Moment(
            image=self._image(now, time),
            densepose=now.densepose(),
            person=self.person(time),
            forward=now.motion(after),
            backward=now.motion(before),
        )

    def placed(self, time: float) -> list[Placed]:
        """Where all pieces are, from the farthest to the nearest; the room first."""
        joints, camera = self._joints(time), self._camera(time)
        torso = _frame_of(joints["hip"], across=joints["left_shoulder"] - joints["right_shoulder"], width=2 * SHOULDER,
                          along=joints["hip"] - joints["neck"], length=58)  # fmt: skip
        head = self._head(joints, time)
        pieces = [Placed("room", np.eye(2, 3))]
        for side in ("right", "left"):
            pieces += self._leg(joints, side)
        pieces.append(Placed("pelvis", _frame_of(joints["hip"], across=joints["left_hip"] - joints["right_hip"],
                                                 width=2 * HIP, along=np.array((0, 1.0)), length=1)))  # fmt: skip
        pieces.append(Placed("neck", _bone(joints["neck"] + (0, 3), joints["head"], NECK + 6)))
        pieces.append(Placed("torso", torso))
        pieces.append(Placed("head", head, casts_shadow=True))
        for side, sign in (("right", -1), ("left", 1)):
            pieces.append(Placed(f"{side}_eye", head @ _lifted(_at(sign * EYE[0], EYE[1], 1, self._eye_opening(time)))))
        pieces.append(Placed("mouth", head @ _lifted(_at(*MOUTH, *self._mouth_opening(time)))))
        for side in ("right", "left"):
            pieces += self._arm(joints, side, time)
        return [one._replace(matrix=camera @ _lifted(one.matrix)) for one in pieces]

    def person(self, time: float) -> np.ndarray:
        """What OpenPose would find, float64 [137, 3]; the confidence is 0.9 and a little more or less."""
        at = {one.name: one.matrix for one in self.placed(time)}
        joints, camera = self._joints(time), self._camera(time)
        points = np.zeros((NUM_POINTS, 2))
        body = points[BODY]
        names = {1: "neck", 8: "hip"}
        for side, first in (("right", (2, 9)), ("left", (5, 12))):
            arm, leg = first
            names |= {arm: f"{side}_shoulder", arm + 1: f"{side}_elbow", arm + 2: f"{side}_wrist"}
            names |= {leg: f"{side}_hip", leg + 1: f"{side}_knee", leg + 2: f"{side}_ankle"}
        for number, name in names.items():
            body[number] = _moved(camera, joints[name])
        body[[0, 15, 16, 17, 18]] = _moved(
            at["head"], np.array([(0, 5), (-EYE[0], EYE[1]), EYE, (-15.5, 1), (15.5, 1)], np.float64)
        )
        for side, numbers in (("left", [19, 20, 21]), ("right", [22, 23, 24])):
            body[numbers] = _moved(at[f"{side}_shoe"], np.array([(16, 4), (12, 7), (-4.5, 6)], np.float64))
        points[FACE] = self._face(at)
        for side, hand in (("left", LEFT_HAND), ("right", RIGHT_HAND)):
            found = [_moved(at[f"{side}_palm"], np.zeros((1, 2)))]
            for finger, length in enumerate(FINGER_LENGTHS):
                knuckles = np.stack((length * np.array((0, 0.4, 0.7, 1.0)), np.zeros(4)), axis=1)
                found.append(_moved(at[f"{side}_finger{finger}"], knuckles))
            points[hand] = np.concatenate(found)
        wobble = 0.05 * np.sin(time * 0.7 + np.arange(NUM_POINTS))
        return np.column_stack((points, 0.9 + wobble))

    def _wave(self, number: int, beats: float, time: float) -> float:
        """A swing of ``beats`` beats, -1..1, each number with its own phase."""
        return float(np.sin(2 * np.pi * time / (beats * BEAT) + self._phase[number]))

    def _camera(self, time: float) -> np.ndarray:
        """Where the frame's camera sees the room: a hand that is almost still."""
        zoom, roll = 1 + 0.018 * self._wave(12, 5.3, time), 0.008 * self._wave(13, 4.1, time)
        turn = zoom * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        middle = np.array((WIDTH / 2, HEIGHT / 2))
        shift = (7 * self._wave(14, 4.7, time), 3 * self._wave(15, 3.9, time))
        return np.column_stack((turn, middle - turn @ middle + shift))

    def _joints(self, time: float) -> dict[str, np.ndarray]:
        sway, bounce = self._wave(0, 2, time), self._wave(1, 1, time)
        hip = np.array((WIDTH / 2 + 13 * sway + 16 * self._wave(2, 6.5, time), GROUND - 98 + 4 * bounce))
        lean = 0.13 * self._wave(0, 2, time - 5) + 0.05 * self._wave(3, 3.3, time)
        up = np.array((np.sin(lean), -np.cos(lean)))
        tilt, turn = lean + 0.14 * self._wave(4, 2, time), 1 - 0.13 * (1 + self._wave(5, 4, time))
        across = np.array((np.cos(tilt), np.sin(tilt)))
        neck = hip + (58 + 1.5 * bounce) * up
        joints = {"hip": hip, "neck": neck, "head": neck + NECK * up + (2.5 * self._wave(6, 2, time), 0)}
        step = self._wave(7, 2, time)
        middle = hip[0] - 6 * sway
        for side, sign in (("right", -1), ("left", 1)):
            joints[f"{side}_shoulder"] = neck + sign * SHOULDER * turn * across + 9.0 * -up
            joints[f"{side}_hip"] = hip + sign * HIP * np.array((1, 0.12 * sway)) + (0, 3)
            lift = 15 * max(0.0, sign * step) ** 2
            ankle = np.array((middle + sign * (22 + 7 * self._wave(8, 4, time)), GROUND - 9 - lift))
            joints[f"{side}_ankle"] = ankle
            # seen from the front a bent knee comes towards us, and a little out
            knee = joints[f"{side}_hip"] + (ankle - joints[f"{side}_hip"]) * THIGH / (THIGH + SHIN)
            joints[f"{side}_knee"] = knee + (sign * (3 + 0.35 * lift + 2 * (1 + bounce)), -0.25 * lift)
            number = 9 if sign < 0 else 10
            swing = 1.25 + 1.05 * self._wave(number, 2, time) + 0.25 * self._wave(11, 3.7, time)
            bend = swing + 1.1 + 0.9 * self._wave(number, 2, time - 4)
            short = 0.94 + 0.06 * self._wave(11, 3, time)
            elbow = joints[f"{side}_shoulder"] + UPPER_ARM * short * np.array((sign * np.sin(swing), np.cos(swing)))
            joints[f"{side}_elbow"] = elbow
            joints[f"{side}_wrist"] = elbow + LOWER_ARM * short * np.array((sign * np.sin(bend), np.cos(bend)))
        return joints

    def _head(self, joints: dict[str, np.ndarray], time: float) -> np.ndarray:
        angle = 0.16 * self._wave(6, 2, time) + 0.05 * self._wave(3, 1, time)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return np.column_stack((turn, joints["head"] - turn @ np.array((0, 14.0))))

    def _eye_opening(self, time: float) -> float:
        since = (time + 10 * self._phase[3]) % 47
        return float(1 - 0.85 * np.exp(-(((since - 20) / 1.6) ** 2)))

    def _mouth_opening(self, time: float) -> tuple[float, float]:
        sung = 0.5 + 0.5 * self._wave(11, 1.5, time)
        return 1.0 - 0.12 * sung, 0.45 + 0.75 * sung

    def _face(self, at: dict[str, np.ndarray]) -> np.ndarray:
        """The 70 points of a face, [70, 2]: outline, brows, nose, eyes, lips, pupils."""

        def arc(
            centre: tuple[float, float], across: float, along: float, begin: float, end: float, count: int
        ) -> np.ndarray:
            angle = np.deg2rad(np.linspace(begin, end, count))
            return np.stack((centre[0] + across * np.cos(angle), centre[1] + along * np.sin(angle)), axis=1)

        head = [arc((0, 0), 14.5, 18.5, 180, 0, 17)]
        for sign in (-1, 1):
            x = np.linspace(-3.4, 3.4, 5)
            head.append(np.stack((sign * 6.2 + x, -8.4 + 0.05 * (x + 0.6 * sign) ** 2), axis=1))
        head.append(np.stack((np.zeros(4), np.linspace(-1.5, 4.5, 4)), axis=1))
        head.append(arc((0, 5.2), 2.6, 1.4, 180, 0, 5))
        lids = np.array([(-3.6, 0), (-1.3, -2.1), (1.3, -2.1), (3.6, 0), (1.3, 2.1), (-1.3, 2.1)])
        eyes = [_moved(at[f"{side}_eye"], lids) for side in ("right", "left")]
        outer, inner = arc((0, 0), 6.2, 3.4, 180, 540, 13)[:12], arc((0, 0), 4.6, 2.0, 180, 540, 9)[:8]
        pupils = [_moved(at[f"{side}_eye"], np.zeros((1, 2))) for side in ("right", "left")]
        lips = np.concatenate((outer, inner))
        lips[:, 1] -= paint.SMILE * lips[:, 0] ** 2
        lips = _moved(at["mouth"], lips)
        return np.concatenate((_moved(at["head"], np.concatenate(head)), *eyes, lips, *pupils))

    def _leg(self, joints: dict[str, np.ndarray], side: str) -> list[Placed]:
        sign = -1 if side == "right" else 1
        hip, knee, ankle = (joints[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
        lift = (GROUND - 9 - ankle[1]) / 15
        toes = 0.12 + 0.5 * lift
        matrix = np.array([[sign * 0.80 * np.cos(toes), -0.2 * sign * lift], [0.80 * np.sin(toes), 1]])
        return [
            Placed(f"{side}_shoe", np.column_stack((matrix, ankle))),
            Placed(f"{side}_shin", _bone(knee, ankle, SHIN)),
            Placed(f"{side}_thigh", _bone(hip, knee, THIGH)),
        ]

    def _arm(self, joints: dict[str, np.ndarray], side: str, time: float) -> list[Placed]:
        sign = -1 if side == "right" else 1
        shoulder, elbow, wrist = (joints[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist"))
        forearm = np.arctan2(*(wrist - elbow)[::-1]) + 0.35 * self._wave(9 if sign < 0 else 10, 1, time)
        along = np.array((np.cos(forearm), np.sin(forearm)))
        hand = np.column_stack((along, sign * np.array((-along[1], along[0])), wrist))
        spread = 0.13 + 0.07 * self._wave(4, 2, time)
        curl = 0.90 + 0.10 * self._wave(8, 3, time)
        placed = [
            Placed(f"{side}_upper_arm", _bone(shoulder, elbow, UPPER_ARM), casts_shadow=True),
            Placed(f"{side}_lower_arm", _bone(elbow, wrist, LOWER_ARM), casts_shadow=True),
        ]
        fingers = []
        for finger, base in enumerate(FINGER_BASES):
            angle = -0.85 - spread if finger == 0 else spread * (finger - 2.4)
            turn = np.array([[curl * np.cos(angle), -np.sin(angle)], [curl * np.sin(angle), np.cos(angle)]])
            fingers.append(Placed(f"{side}_finger{finger}", hand @ _lifted(np.column_stack((turn, base)))))
        return [*placed, *fingers, Placed(f"{side}_palm", hand, casts_shadow=True)]

    def _image(self, layout: "_Layout", time: float) -> np.ndarray:
        """The picture, drawn at twice the size."""
        size = (HEIGHT * _SUPER, WIDTH * _SUPER)
        canvas, figure = np.zeros((*size, 3), np.float32), np.zeros(size, np.float32)
        for placed in layout.placed:
            piece = self.pieces[placed.name]
            box, rgba = _seen(piece, piece.colour, placed.matrix, super_sampling=_SUPER, size=size)
            if box is None:
                continue
            view, cover = canvas[box], rgba[..., 3:]
            if placed.name == "room":
                view[:] = rgba[..., :3] * self._ground_shadow(time)
                continue
            _, slope = _seen(piece, piece.slope, placed.matrix, super_sampling=_SUPER, size=size)
            if placed.casts_shadow:
                _darken(canvas, figure, box, cover[..., 0])
            view[:] = view * (1 - cover) + rgba[..., :3] * _lit(slope, placed.matrix)[..., None]
            figure[box] = np.maximum(figure[box], cover[..., 0])
        small = canvas.reshape(HEIGHT, _SUPER, WIDTH, _SUPER, 3).mean(axis=(1, 3))
        return np.clip(np.rint(small * 255), 0, 255).astype(np.uint8)

    def _ground_shadow(self, time: float) -> np.ndarray:
        """What the puppet leaves of the room's light, float32 [2 H, 2 W, 1]; soft, darker where a shoe stands."""
        joints, camera = self._joints(time), self._camera(time)
        y, x = np.mgrid[: HEIGHT * _SUPER, : WIDTH * _SUPER].astype(np.float32) / _SUPER

        def spot(place: np.ndarray, width: float, height: float, strength: float) -> np.ndarray:
            middle_x, middle_y = _moved(camera, place)
            return strength * np.exp(-(((x - middle_x) / width) ** 2) - ((y - middle_y) / height) ** 2)

        shade = spot(np.array((joints["hip"][0] + 16, GROUND + 1)), 52, 8.5, 0.34)
        for side, sign in (("right", -1), ("left", 1)):
            ankle = joints[f"{side}_ankle"]
            lift = GROUND - 9 - ankle[1]
            spread = 1 + lift / 12
            shade = shade + spot(
                np.array((ankle[0] + 5 * sign + 2, GROUND - 0.5)), 15 * spread, 3.5 * spread, 0.5 / spread
            )
        return np.clip(1 - shade, 0.3, 1)[..., None]


class _Layout:
    """Which piece is seen at each pixel of a frame."""

    def __init__(self, placed: list[Placed], pieces: dict[str, Piece]) -> None:
        self.placed = placed
        self.pieces = pieces

    @cached_property
    def number(self) -> np.ndarray:
        """The place in ``placed`` of the piece at each pixel's middle, int32 [H, W]."""
        number = np.zeros((HEIGHT, WIDTH), np.int32)
        for index, one in enumerate(self.placed[1:], 1):
            piece = self.pieces[one.name]
            box, cover = _seen(piece, piece.colour[..., 3], one.matrix, super_sampling=1, size=(HEIGHT, WIDTH))
            if box is not None:
                number[box][cover > 0.5] = index
        return number

    def local(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """The pixels that show piece ``index``, int [N, 2] (x, y), and where on it they are, [N, 2]."""
        y, x = np.nonzero(self.number == index)
        pixels = np.stack((x, y), axis=1)
        return pixels, _moved(_inverse(self.placed[index].matrix), pixels.astype(np.float64))

    def motion(self, other: "_Layout") -> Motion:
        """Where everything that is seen here is in another frame."""
        flow = np.zeros((2, HEIGHT, WIDTH), np.float32)
        hidden = np.zeros((HEIGHT, WIDTH), np.bool_)
        for index in np.unique(self.number):
            pixels, places = self.local(index)
            target = _moved(other.placed[index].matrix, places)
            x, y = pixels.T
            flow[:, y, x] = (target - pixels).T
            column, row = np.rint(target).astype(np.int64).T
            is_out = (column < 0) | (column >= WIDTH) | (row < 0) | (row >= HEIGHT)
            seen = other.number[np.clip(row, 0, HEIGHT - 1), np.clip(column, 0, WIDTH - 1)]
            hidden[y, x] = is_out | (seen != index)
        return Motion(flow, hidden)

    def densepose(self) -> np.ndarray:
        """U, V and part index as DensePose would have them, uint8 [H, W, 3]: U along a piece, V across it."""
        iuv = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        for index in np.unique(self.number):
            piece = self.pieces[self.placed[index].name]
            if piece.dense_part:
                pixels, places = self.local(index)
                left, top, right, bottom = piece.extent
                share = (places - (left, top)) / (right - left, bottom - top)
                x, y = pixels.T
                iuv[y, x, :2] = np.rint(np.clip(share, 0, 1) * 255)
                iuv[y, x, 2] = piece.dense_part
        return iuv


def _painted(rng: np.random.Generator, room_rng: np.random.Generator) -> dict[str, Piece]:
    """All pieces by name."""
    skin_colour = _choice(rng, ((0.93, 0.72, 0.58), (0.80, 0.57, 0.42), (0.60, 0.41, 0.30), (0.97, 0.80, 0.69)))
    hair = _choice(rng, ((0.30, 0.18, 0.11), (0.16, 0.12, 0.11), (0.62, 0.36, 0.16), (0.55, 0.24, 0.16)))
    shirt = _choice(rng, ((0.16, 0.30, 0.58), (0.62, 0.18, 0.22), (0.12, 0.42, 0.40), (0.40, 0.22, 0.52)))
    trousers = _choice(rng, ((0.22, 0.27, 0.38), (0.48, 0.36, 0.24), (0.30, 0.30, 0.31)))
    shoes = _choice(rng, ((0.80, 0.22, 0.18), (0.15, 0.45, 0.62), (0.90, 0.62, 0.16)))
    iris = _choice(rng, ((0.22, 0.42, 0.60), (0.30, 0.20, 0.12), (0.24, 0.46, 0.30)))
    skin = paint.skin(rng, skin_colour)
    sleeve = paint.stripes(rng, shirt, (0.93, 0.91, 0.86), width=5.0)
    checked = paint.checks(rng, trousers, _darker(trousers, 1.9), width=4.5)

    def upper_arm(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        hem = np.clip(21 - x, 0, 1)[..., None]
        edge = np.clip(1.2 - np.abs(x - 20.5), 0, 1)[..., None]
        return (sleeve(x, y) * hem + skin(x, y) * (1 - hem)) * (1 - 0.45 * edge)

    pieces = {
        "room": paint.room(room_rng, width=WIDTH, height=HEIGHT, margin=24, floor=FLOOR),
        "pelvis": paint.pelvis(checked, dense_part=2),
        "torso": paint.torso(sleeve, (0.95, 0.75, 0.20), skin_colour, dense_part=2),
        "neck": paint.limb(NECK + 6, 6.0, 5.6, texture=paint.skin(rng, _darker(skin_colour)), dense_part=24),
        "head": paint.head(skin_colour, hair, rng, dense_part=24),
        "mouth": paint.mouth(dense_part=24),
    }
    # DensePose's numbers, as seen from the front: hand, foot, thigh, shin, upper and lower arm
    for side, (hand, foot, thigh, shin, upper, lower) in {
        "right": (3, 6, 9, 13, 18, 22),
        "left": (4, 5, 10, 14, 17, 21),
    }.items():
        pieces |= {
            f"{side}_eye": paint.eye(iris, dense_part=24),
            f"{side}_shoe": paint.shoe(shoes, dense_part=foot),
            f"{side}_thigh": paint.limb(THIGH, 9.6, 7.2, texture=checked, dense_part=thigh),
            f"{side}_shin": paint.limb(SHIN, 7.2, 5.4, texture=checked, dense_part=shin, seam=_darker(trousers)),
            f"{side}_upper_arm": paint.limb(UPPER_ARM, 6.6, 4.9, texture=upper_arm, dense_part=upper),
            f"{side}_lower_arm": paint.limb(LOWER_ARM, 4.7, 3.3, texture=skin, dense_part=lower),
            f"{side}_palm": paint.palm(skin_colour, dense_part=hand),
        }
        for number, length in enumerate(FINGER_LENGTHS):
            pieces[f"{side}_finger{number}"] = paint.finger(length, 1.45, skin_colour, dense_part=hand)
    return pieces


def _choice(rng: np.random.Generator, colours: tuple[paint.Colour, ...]) -> paint.Colour:
    return colours[rng.integers(len(colours))]


def _darker(colour: paint.Colour, share: float = 1.0) -> paint.Colour:
    red, green, blue = colour
    return 0.82 * share * red, 0.80 * share * green, 0.78 * share * blue


def _bone(start: np.ndarray, end: np.ndarray, length: float) -> np.ndarray:
    """From a limb's units, ``length`` along x, to the line between two joints; its thickness stays."""
    along = end - start
    unit = along / max(float(np.hypot(*along)), 1e-6)
    return np.column_stack((along / length, np.array((-unit[1], unit[0])), start))


def _frame_of(origin: np.ndarray, *, across: np.ndarray, width: float, along: np.ndarray, length: float) -> np.ndarray:
    """Affine map whose x spans ``across`` in ``width`` units and whose y spans ``along`` in ``length``."""
    return np.column_stack((across / width, along / length, origin))


def _at(x: float, y: float, wide: float, high: float) -> np.ndarray:
    return np.array([[wide, 0, x], [0, high, y]], np.float64)


def _lifted(matrix: np.ndarray) -> np.ndarray:
    """An affine map [2, 3] as [3, 3], so that another can follow it."""
    return np.vstack((matrix, (0, 0, 1)))


def _inverse(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.inv(_lifted(matrix))[:2]


def _moved(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where an affine map [2, 3] takes points [..., 2]."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def _seen(
    piece: Piece, texture: np.ndarray, matrix: np.ndarray, *, super_sampling: int, size: tuple[int, int]
) -> tuple[tuple[slice, slice] | None, np.ndarray]:
    """A piece's texture in a frame of ``size``: the part of the frame that it covers, and what is there.

    None where it lies outside.
    """
    grid = np.array([[super_sampling, 0, (super_sampling - 1) / 2], [0, super_sampling, (super_sampling - 1) / 2]])
    to_frame = grid @ _lifted(matrix)
    left, top, right, bottom = piece.extent
    corners = _moved(to_frame, np.array([(left, top), (right, top), (left, bottom), (right, bottom)]))
    low = np.clip(np.floor(corners.min(axis=0)).astype(np.int64), 0, size[::-1])
    high = np.clip(np.ceil(corners.max(axis=0)).astype(np.int64) + 1, 0, size[::-1])
    if (high <= low).any():
        return None, np.empty(0)
    from_texture = to_frame @ np.linalg.inv(_lifted(piece.to_texture()))
    from_texture[:, 2] -= low
    shown = cv2.warpAffine(texture, from_texture, tuple(int(side) for side in high - low), flags=cv2.INTER_LINEAR)
    return (slice(low[1], high[1]), slice(low[0], high[0])), shown


def _lit(slope: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """How bright a surface of this slope is, turned as ``matrix`` turns it, under the room's light; float32 [h, w]."""
    axes = matrix[:, :2] / np.maximum(np.hypot(*matrix[:, :2]), 1e-6)
    normal = slope @ axes.T.astype(np.float32)
    depth = np.sqrt(np.clip(1 - (normal**2).sum(axis=-1), 0, 1))
    facing = normal @ _LIGHT[:2].astype(np.float32) + np.float32(_LIGHT[2]) * depth
    return 0.50 + 0.68 * np.clip(facing, 0, 1)


def _darken(canvas: np.ndarray, figure: np.ndarray, box: tuple[slice, slice], cover: np.ndarray) -> None:
    """Let a piece throw a soft shadow on the puppet behind it."""
    soft = cv2.GaussianBlur(cover, (0, 0), 4.0)
    soft = np.roll(soft, (6, 4), axis=(0, 1))
    canvas[box] *= 1 - 0.38 * (soft * figure[box])[..., None]
