"""Decoded frames as a player shows them: upright, with square pixels, in the colours of BT.709."""

from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream

from util.errors import UserError

# Of the largest frame or picture, twice a frame of 8K video: a small file can claim any size.
MOST_PIXELS = 2**26
# Threads that convert a frame end with it. In a forked process there are none: to forget an inherited frame is to wait
# for them for ever.
_THREADS = 1
# Numbers of ITU-T H.273, which all containers use.
_PQ, _HLG = 16, 18
_HDR_NAMES = {_PQ: "HDR (PQ)", _HLG: "HDR (HLG)"}
_TO_BT709 = {
    9: ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730)),
    12: ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274)),
}
_PRIMARIES_NAMES = {9: "BT.2020", 12: "Display P3"}
# BT.2408: what is white in a picture without HDR has so many candelas a square metre in one with it.
_WHITE = 203.0
_GAMMA = 2.4  # BT.1886


def check_area(path: Path, width: int, height: int) -> None:
    """Refuse a picture or video by its header, before anything is decoded.

    Raises:
        UserError: it has too many pixels.
    """
    if width * height > MOST_PIXELS:
        raise UserError(f"{path}: expected at most {MOST_PIXELS} pixels, found {width} x {height}; make it smaller")


def shown(frame: av.VideoFrame, stream: VideoStream) -> np.ndarray:
    """A decoded frame of ``stream`` as a player shows it, uint8 [H, W, 3] RGB.

    Frames of HDR and of wide colours are converted to BT.709; what is brighter than white, or has colours that BT.709
    lacks, is clipped.
    """
    width, height = _square_size(frame, stream)
    if _is_wide(frame):
        wide = _converted(frame, "rgb48le", width, height)
        picture = _in_bt709(wide, transfer=int(frame.color_trc), primaries=int(frame.color_primaries))
    elif max(one.bits for one in frame.format.components) > 8:
        # straight to 8 bits FFmpeg is up to 4 levels off, through 16 bits at most 1.4
        deep = _converted(frame, "rgb48le", width, height)
        picture = ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)
    elif (width, height) == (frame.width, frame.height):
        picture = frame.to_ndarray(format="rgb24", threads=_THREADS)
    else:
        picture = _converted(frame, "rgb24", width, height)
    return np.ascontiguousarray(np.rot90(picture, frame.rotation // 90))


def _converted(frame: av.VideoFrame, kind: str, width: int, height: int) -> np.ndarray:
    """A frame in the pixel format ``kind`` and another size."""
    return frame.reformat(
        width=width, height=height, format=kind, interpolation=Interpolation.BICUBIC, threads=_THREADS
    ).to_ndarray()


def conversions(frame: av.VideoFrame, stream: VideoStream) -> list[str]:
    """What ``shown`` does to a frame beyond decoding it, and what it leaves undone, in words."""
    notes = []
    width, height = _square_size(frame, stream)
    if (width, height) != (frame.width, frame.height):
        ratio = Fraction(stream.sample_aspect_ratio or 1)
        notes.append(
            f"pixels of {ratio.numerator}:{ratio.denominator} made square: "
            f"{frame.width} x {frame.height} becomes {width} x {height}"
        )
    if _is_wide(frame):
        transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
        names = [name for name in (_HDR_NAMES.get(transfer), _PRIMARIES_NAMES.get(primaries)) if name]
        notes.append(f"{', '.join(names)} converted to BT.709, brighter light than white is clipped")
    if frame.interlaced_frame:
        notes.append("interlaced, which stays: what moves has combs; deinterlace it first (ffmpeg -vf bwdif)")
    # the decoder of VP9 knows no transparency, the container does
    if stream.metadata.get("alpha_mode") == "1" or any(one.is_alpha for one in frame.format.components):
        notes.append("transparent in part, which is left out: hidden colours show; lay it over one colour first")
    return notes


def _square_size(frame: av.VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Width and height of a frame whose pixels are made square, never smaller than it is stored."""
    ratio = stream.sample_aspect_ratio or Fraction(1)
    if ratio <= 0:
        return frame.width, frame.height
    if ratio > 1:
        return round(frame.width * ratio), frame.height
    return frame.width, round(frame.height / ratio)


def _is_wide(frame: av.VideoFrame) -> bool:
    return int(frame.color_trc) in _HDR_NAMES or int(frame.color_primaries) in _TO_BT709


def _in_bt709(picture: np.ndarray, *, transfer: int, primaries: int) -> np.ndarray:
    """Encoded colours, uint16 [H, W, 3], as those of BT.709 on a display of ``_GAMMA``, uint8."""
    light = _light_table(transfer)[picture]
    if transfer == _HLG:  # a display's own curve, for 1000 candelas
        luminance = light @ np.array([0.2627, 0.6780, 0.0593], np.float32)
        light = light * (1000 / _WHITE) * np.power(luminance, 0.2)[..., None]
    if primaries in _TO_BT709:
        light = light @ np.array(_TO_BT709[primaries], np.float32).T
    return np.rint(np.power(np.clip(light, 0, 1), 1 / _GAMMA) * 255).astype(np.uint8)


@cache
def _light_table(transfer: int) -> np.ndarray:
    """The light of each of 65536 encoded values, 1 being white (of HLG: the scene's, 1 being the brightest)."""
    encoded = np.linspace(0, 1, 2**16)
    if transfer == _PQ:  # SMPTE ST 2084
        root = np.power(encoded, 32 / 2523)
        light = (
            10_000 / _WHITE * np.power(np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root), 8192 / 1305)
        )
    elif transfer == _HLG:  # ARIB STD-B67
        bright = (np.exp((encoded - 0.55991073) / 0.17883277) + 0.28466892) / 12
        light = np.where(encoded <= 0.5, encoded**2 / 3, bright)
    else:
        light = np.power(encoded, _GAMMA)
    return light.astype(np.float32)
