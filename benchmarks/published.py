"""The paper's own table. Its figures stand beside ours, never among them: other hardware, other data."""

from typing import NamedTuple


class Published(NamedTuple):
    """A row of the paper's table (ECCV 2022, V100, batch 1); None where it states nothing.

    Attributes:
        method: whose it is.
        gmacs: 10^9 multiply-accumulates a frame, in the paper's convention.
        fps: frames a second.
        fid, fvd: Fréchet distances; the paper's FVD is on another scale than today's.
        pose_error: grey levels.
    """

    method: str
    gmacs: float
    fps: float
    fid: float | None = None
    fvd: float | None = None
    pose_error: float | None = None


SOURCE = "published: V100, other data"
PUBLISHED: dict[str, tuple[Published, ...]] = {
    "face": (
        Published("vid2vid", 2066, 2.77, fid=34.17, fvd=6.74),
        Published("NAS", 303, 10.50, fid=33.64, fvd=6.86),
        Published("CA", 290, 11.07, fid=35.82, fvd=6.95),
        Published("CAT", 294, 10.89, fid=33.90, fvd=6.43),
        Published("Fast-Vid2Vid", 282, 18.56, fid=29.02, fvd=5.79),
    ),
    "street": (
        Published("vid2vid", 1254, 4.27, fvd=2.76),
        Published("NAS", 277, 12.44, fvd=2.99),
        Published("CA", 187, 15.48, fvd=3.98),
        Published("CAT", 178, 13.29, fvd=3.44),
        Published("Fast-Vid2Vid", 132, 24.77, fvd=2.33),
    ),
    "pose": (
        Published("vid2vid", 1769, 3.01, fvd=12.31, pose_error=2.60),
        Published("NAS", 280, 12.57, fvd=12.53, pose_error=3.28),
        Published("CA", 253, 13.92, fvd=15.89, pose_error=4.85),
        Published("CAT", 257, 12.48, fvd=15.75, pose_error=4.18),
        Published("Fast-Vid2Vid", 191, 21.39, fvd=10.03, pose_error=2.18),
    ),
}
