"""What ``benchmark.py speed`` times: settings, networks with random weights, and the methods built of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.macs import Cost, measure
from data.build import build_encoder
from data.kinds.face import FaceEncoder
from data.kinds.pose import PoseEncoder
from data.samples.face import sample_landmarks
from data.samples.worlds.city import City
from data.samples.worlds.puppet import HEIGHT as PUPPET_HEIGHT
from data.samples.worlds.puppet import WIDTH as PUPPET_WIDTH
from data.samples.worlds.puppet import Puppet
from data.transforms import Box, Placement, View
from models.build import build_generator
from models.inference.calibration import OPENERS, Calibration, CalibrationData, Footage
from models.inference.runtimes.choose import make_runtime
from models.inference.runtimes.engines import Runtime
from models.inference.synthesizer import Foreground, Synthesizer
from models.interpolation.base import Interpolator
from models.interpolation.choose import make_interpolator
from models.interpolation.cuts import HoldAcrossCuts
from models.interpolation.guided import GuidedMotion
from models.networks.coarse_to_fine import VideoGenerator
from models.networks.single_image import GlobalGenerator
from options.data_config import DataConfig
from options.network_config import GeneratorConfig

PUBLISHED_SHARE = 0.29  # of the paper's street model, see docs/benchmark.md
NUM_FRAMES = 3
NUM_GIVEN = NUM_FRAMES - 1
FRAMES_PER_SECOND = 25.0
FACE_FRAME = (432, 528)  # of the sample's landmarks


@dataclass(frozen=True)
class Setting:
    """What is generated, and by networks of which size.

    Attributes:
        name: of the setting.
        kind: of data.
        size: height and width.
        ngf: width of the networks.
        semantic: gives the semantic frame [C, H, W] of a number; made anew every time, as at inference.
        foreground: of the foreground branch; None: the networks have none.
        no_flow: the networks have no flow branch.
        depth: halvings, and residual blocks.
        num_frames: made frames of a clip that has key-frames; clips of methods without are shorter.
    """

    name: str
    kind: str
    size: tuple[int, int]
    ngf: int
    semantic: Callable[[int], Tensor]
    foreground: Foreground | None
    no_flow: bool = False
    depth: tuple[int, int] = (3, 9)
    num_frames: int = 14

    def config(self, *, is_student: bool) -> GeneratorConfig:
        """vid2vid's generator, or the paper's low-demand student."""
        return GeneratorConfig(
            netG="sr_mobile_composite" if is_student else "composite",
            low_demand=is_student,
            ngf=self.ngf,
            n_downsample_G=self.depth[0],
            n_blocks=self.depth[1],
            n_frames_G=NUM_FRAMES,
            no_flow=self.no_flow,
            fg=self.foreground is not None,
        )

    def with_student(self, *, no_flow: bool, no_fg: bool, ngf: int = 0) -> "Setting":
        """The same with another shape of the student: branches left out, another width (0: this one)."""
        foreground = None if no_fg else self.foreground
        return replace(self, ngf=ngf or self.ngf, no_flow=no_flow, foreground=foreground)


@dataclass(frozen=True)
class StreamPass:
    """One timed run of one method; seconds of each part, of all of its frames."""

    total: float
    encode: float
    generator: float
    interpolation: float
    write: float
    calls: int
    peak_mb: float | None


@dataclass
class TimedMethod:
    """A way to make the video.

    Attributes:
        name: of the method.
        engine: makes the frames.
        cost: of a generated frame.
        num_frames: made frames of its clip.
        share: key-frames per made frame.
        runtime, precision: of its network.
        is_live: chooses key-frames as we do, in one pass and with overlapping threads; else at equal distances.
        rounds: what was measured.
    """

    name: str
    engine: Synthesizer
    cost: Cost
    num_frames: int
    share: float
    is_live: bool
    runtime: str = "eager"
    precision: str = "fp32"
    rounds: list[StreamPass] = field(default_factory=list)


def street_setting(*, is_quick: bool) -> Setting:
    """A drive through the toy city with the paper's settings: 256x512, 36 channels, foreground, ngf 128."""
    (height, width), num_frames = ((64, 128), 14) if is_quick else ((256, 512), 20)
    num_semantic = 3 if is_quick else num_frames + NUM_GIVEN
    encoder = build_encoder(DataConfig(dataset_mode="street", use_instance=True))
    # seed 2: the sample's held-out street
    city = City(seed=2).frames(num_semantic, frames_per_second=FRAMES_PER_SECOND, height=height, width=width)
    maps = [np.stack((frame.labels.astype(np.int32), frame.instances.astype(np.int32))) for frame in city]

    def semantic(number: int) -> Tensor:
        return encoder.finish(torch.from_numpy(maps[number % len(maps)]))

    depth, ngf = ((2, 2), 8) if is_quick else ((3, 9), 128)
    return Setting(
        "street", "street", (height, width), ngf, semantic, encoder.foreground, depth=depth, num_frames=num_frames
    )


def face_setting(*, is_quick: bool) -> Setting:
    """The landmarks of the face sample at 256x256 with ngf 32: the live setting."""
    return _face("face", side=64 if is_quick else 256, ngf=8 if is_quick else 32, is_quick=is_quick, num_frames=48)


def face_512_setting(*, is_quick: bool) -> Setting:
    """The landmarks of the face sample with the paper's settings: 512x512, 15 channels, ngf 128."""
    side, ngf = (96, 8) if is_quick else (512, 128)
    return _face("face_512", side=side, ngf=ngf, is_quick=is_quick, num_frames=14)


def _face(name: str, *, side: int, ngf: int, is_quick: bool, num_frames: int) -> Setting:
    """Landmarks, encoded frame by frame without a background."""
    encoder, landmarks = FaceEncoder(with_canny_edges=False), sample_landmarks()
    height, width = FACE_FRAME
    square = Box(left=(width - height) // 2, top=0, right=(width + height) // 2, bottom=height)
    placement = Placement(square, (side, side), Box(left=0, top=0, right=side, bottom=side))

    def semantic(number: int) -> Tensor:
        points = landmarks[number % len(landmarks)]
        return encoder.encode(points, placement=placement, size=FACE_FRAME, background=None)

    depth, count = ((2, 2), 14) if is_quick else ((3, 9), num_frames)
    return Setting(name, "face", (side, side), ngf, semantic, None, depth=depth, num_frames=count)


def pose_setting(*, is_quick: bool) -> Setting:
    """The dancer of the pose sample with the paper's settings: 512x448, 6 channels, ngf 128."""
    (height, width), ngf = ((64, 56), 8) if is_quick else ((512, 448), 128)
    encoder, puppet = PoseEncoder(), Puppet(0)
    # the held-out part of the dance, cut to the middle half as in the paper
    moments = [puppet.moment(130 + number) for number in range(3 if is_quick else 16)]
    left = (PUPPET_WIDTH - PUPPET_HEIGHT * 448 // 512) // 2
    middle = Box(left=left, top=0, right=PUPPET_WIDTH - left, bottom=PUPPET_HEIGHT)
    placement = Placement(middle, (height, width), Box(left=0, top=0, right=width, bottom=height))
    view = View((PUPPET_HEIGHT, PUPPET_WIDTH), placement)

    def semantic(number: int) -> Tensor:
        moment = moments[number % len(moments)]
        dense = view.of_frame(moment.densepose, filter="nearest")
        return encoder.finish(torch.cat((dense, encoder.drawn(moment.person, view=view, rng=None))))

    return Setting("pose", "pose", (height, width), ngf, semantic, None, depth=(2, 2) if is_quick else (3, 9))


SETTINGS = {"street": street_setting, "face_512": face_512_setting, "pose": pose_setting, "face": face_setting}


def make_methods(
    setting: Setting,
    *,
    runtimes: Sequence[str],
    fewer_shares: Sequence[float],
    precisions: Sequence[str],
    interpolation: str,
    fewer_interpolation: str,
    device: torch.device,
    ours: Setting | None = None,
) -> list[TimedMethod]:
    """All methods of a setting; the first is vid2vid on every frame, in eager fp32.

    ``ours``: the same with another shape of our student; the published methods keep theirs.
    """
    every = max(1, setting.num_frames // 14)
    torch.manual_seed(0)
    teacher, teacher_cost = network(setting, is_student=False)
    student, student_cost = our_student, our_cost = network(setting, is_student=True)
    if ours is None or ours == setting:
        ours = setting
    else:
        our_student, our_cost = network(ours, is_student=True)
    between = within_scene("minterpolate", setting)
    make = partial(make_method, setting, device=device)
    every_frame = partial(make, share=1.0, interpolator=between)
    methods = [
        every_frame("vid2vid_every_frame", teacher, teacher_cost, num_frames=every),
        every_frame("student_every_frame", student, student_cost, num_frames=2 * every),
        make("published_recipe", student, student_cost, share=PUBLISHED_SHARE, interpolator=between),
    ]
    fewer = within_scene(fewer_interpolation, setting)
    labels = [
        ("ours_{}", PUBLISHED_SHARE, within_scene(interpolation, setting)),
        *((f"ours_{{}}_share_{share:g}", share, fewer) for share in fewer_shares),
    ]
    for name, precision in ways(runtimes, precisions, device):
        fast = fast_runtime(our_student, ours, runtime=name, precision=precision, device=device)
        called = name if precision in ("auto", "fp32") else f"{name}_{precision}"
        for label, share, interpolator in labels:
            one = make_method(ours, label.format(called), fast, our_cost, device=device, share=share,
                              interpolator=interpolator, is_live=True)  # fmt: skip
            methods.append(replace(one, runtime=name, precision=precision))
    return methods


def network(setting: Setting, *, is_student: bool) -> tuple[VideoGenerator, Cost]:
    """A setting's teacher or student with random weights, and what a frame costs it."""
    config, channels = setting.config(is_student=is_student), setting.semantic(0).shape[0]
    built = build_generator(config, semantic_channels=channels).eval()
    assert not isinstance(built, GlobalGenerator)
    return built, measure(config, semantic_channels=channels, size=setting.size)


def ways(runtimes: Sequence[str], precisions: Sequence[str], device: torch.device) -> list[tuple[str, str]]:
    """Runtimes and precisions that go together on a device."""
    found = []
    for runtime in runtimes:
        if device.type != "cpu" and runtime in OPENERS:
            continue
        possible = ("auto", "fp32", "int8") if runtime in OPENERS else ("auto", "fp32", "bf16", "fp16")
        found += [(runtime, one) for one in precisions if one in possible]
    return found


def fast_runtime(
    student: VideoGenerator, setting: Setting, *, runtime: str, precision: str, device: torch.device
) -> Runtime:
    """The student in a runtime; with int8 calibrated on a few frames, whose quality does not matter here."""
    if precision != "int8":
        return make_runtime(student, name=runtime, precision=precision, device=device).runtime
    first_frames = [torch.zeros(3, *setting.size), torch.full((3, *setting.size), 0.1)]
    footage = Footage(setting.semantic, range(NUM_GIVEN + 1), first_frames)
    data = CalibrationData([footage], footage)
    calibration = Calibration(student, data, runtime=runtime, num_frames=NUM_FRAMES, foreground=setting.foreground)
    return calibration.open(calibration.model(()).model)


def within_scene(name: str, setting: Setting) -> Interpolator:
    """The interpolator of that name without its look for cuts: frames of random weights might pass for one."""
    if name == "guided":
        return GuidedMotion(kind=setting.kind, holds_cuts=False)
    interpolator = make_interpolator(name)
    return interpolator.within_scene if isinstance(interpolator, HoldAcrossCuts) else interpolator


def make_method(
    setting: Setting,
    name: str,
    runtime: Runtime,
    cost: Cost,
    *,
    device: torch.device,
    share: float,
    interpolator: Interpolator,
    num_frames: int | None = None,
    is_live: bool = False,
) -> TimedMethod:
    """A method around a network; ``num_frames``: of its clip, the setting's when None."""
    engine = Synthesizer(
        runtime,
        num_frames=NUM_FRAMES,
        interpolator=interpolator,
        device=device,
        foreground=setting.foreground,
    )
    return TimedMethod(name, engine, cost, num_frames or setting.num_frames, share, is_live)
