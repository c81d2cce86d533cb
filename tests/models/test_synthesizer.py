import math
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor

from models.inference.first_frames import draw_first_frames
from models.inference.synthesizer import Synthesizer
from models.interpolation.choose import make_interpolator
from models.keyframes.live import LiveKeyframes
from models.keyframes.thumbnails import thumbnail
from models.networks.generator import CompositeGenerator
from models.networks.single_image import GlobalGenerator
from models.training.rollout import unroll
from tests.models.test_stages import make_clip, make_generator

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def generator() -> CompositeGenerator:
    return make_generator().eval()


def make_engine(generator: CompositeGenerator) -> Synthesizer:
    return Synthesizer(generator, num_frames=3, interpolator=make_interpolator("blend"), device=CPU)


def run(engine: Synthesizer, key_frames: Sequence[int], *, num_first_frames: int = 2) -> list[Tensor]:
    clip = make_clip(12)
    first_frames = list(clip.image[0, :num_first_frames])
    return list(
        engine.frames(lambda number: clip.semantic[0, number], key_frames=key_frames, first_frames=first_frames)
    )


def test_every_frame_a_key_frame_is_the_rollout_of_training(generator: CompositeGenerator) -> None:
    clip = make_clip(12)
    with torch.no_grad():
        expected = unroll(generator, clip, clip.image[:, :2], num_frames=3).image[0]
    assert torch.allclose(torch.stack(run(make_engine(generator), range(12))), expected, atol=1e-6)


def test_the_past_of_a_key_frame_is_the_key_frames_before_it(generator: CompositeGenerator) -> None:
    clip, keys = make_clip(12), [0, 1, 4, 9, 11]
    with torch.no_grad():
        expected = unroll(generator, clip.at(keys), clip.image[:, :2], num_frames=3).image[0]
    frames = run(make_engine(generator), keys)
    assert len(frames) == 12
    assert torch.allclose(torch.stack([frames[key] for key in keys]), expected, atol=1e-6)


def test_frames_between_are_at_their_own_times(generator: CompositeGenerator) -> None:
    frames = run(make_engine(generator), [0, 1, 5])
    for number in (2, 3, 4):
        share = (number - 1) / 4
        assert torch.allclose(frames[number], (1 - share) * frames[1] + share * frames[5], atol=1e-5)


def test_given_frames_come_back_bit_by_bit_and_calls_are_counted(generator: CompositeGenerator) -> None:
    engine = make_engine(generator)
    frames = run(engine, [0, 1, 6, 11])
    assert torch.equal(torch.stack(frames[:2]), make_clip(12).image[0, :2])
    assert engine.stopwatch.generator_calls == 2
    assert engine.stopwatch.seconds > 0


def test_the_time_of_every_frame_is_known_and_adds_up(generator: CompositeGenerator) -> None:
    engine = make_engine(generator)
    run(engine, [0, 1, 6, 7, 11])
    times = engine.stopwatch.of_frames([0, 1, 6, 7, 11], num_first=2)
    assert times[:2] == [None, None] and len(times) == 12
    assert times[2] == times[5] and [times[6], times[7], times[11]] == list(engine.stopwatch.generator_times)
    assert sum(one for one in times if one is not None) == pytest.approx(engine.stopwatch.seconds)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_very_short_videos_have_all_their_frames(generator: CompositeGenerator, length: int) -> None:
    frames = run(make_engine(generator), range(length), num_first_frames=min(2, length))
    assert len(frames) == length


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_without_first_frames_the_first_frame_is_drawn_too(generator: CompositeGenerator, length: int) -> None:
    engine = make_engine(generator)
    frames = run(engine, range(length), num_first_frames=0)
    assert len(frames) == length == engine.stopwatch.generator_calls
    assert all(torch.isfinite(frame).all() for frame in frames)


def test_the_engine_asks_for_key_frames_alone_and_holds_little(generator: CompositeGenerator) -> None:
    clip, asked = make_clip(12), []

    def semantic(number: int) -> Tensor:
        asked.append(number)
        return clip.semantic[0, number]

    frames = make_engine(generator).frames(semantic, key_frames=[0, 1, 6, 11], first_frames=list(clip.image[0, :2]))
    next(frames)
    assert asked == [0]
    list(frames)
    assert asked == [0, 1, 6, 11]


@pytest.mark.parametrize("keys", [[], [1, 2], [0, 2, 1], [0, 0, 1], [0]])
def test_impossible_key_frames_are_refused(generator: CompositeGenerator, keys: list[int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        run(make_engine(generator), keys)


def test_first_frames_can_be_drawn_by_a_single_image_generator() -> None:
    single = GlobalGenerator(semantic_channels=4, base_channels=4, num_downsamples=1, num_blocks=1)
    clip = make_clip(2)
    frames = draw_first_frames(single, lambda number: clip.semantic[0, number], count=2, device=CPU)
    assert [frame.shape for frame in frames] == [(3, 32, 32)] * 2
    assert not torch.equal(frames[0], frames[1])


def semantics(num_frames: int) -> Iterator[Tensor]:
    """A stream with sudden and gentle changes, made frame by frame."""
    for number in range(num_frames):
        yield torch.full((4, 32, 32), math.sin(number / 3) + (number // 7 % 2))


@pytest.mark.parametrize("overlapped", [False, True])
@pytest.mark.parametrize("num_first_frames", [0, 2])
def test_live_and_offline_frames_are_the_same_when_their_key_frames_are(
    generator: CompositeGenerator, num_first_frames: int, overlapped: bool
) -> None:
    engine, stream = make_engine(generator), list(semantics(30))
    first_frames = list(make_clip(12).image[0, :num_first_frames])
    live = list(engine.live(stream, share=0.3, lookahead=5, first_frames=first_frames, overlapped=overlapped))
    calls = engine.stopwatch.generator_calls
    chooser = LiveKeyframes(share=0.3, lookahead=5, num_given=num_first_frames)
    keys = [key for one in stream if (key := chooser.push(thumbnail(one))) is not None] + chooser.finish()
    offline = list(engine.frames(stream.__getitem__, key_frames=keys, first_frames=first_frames))
    assert len(live) == 30
    assert torch.equal(torch.stack(live), torch.stack(offline))
    assert calls == len(keys) - num_first_frames <= 0.3 * 30 + 3


def test_a_live_frame_waits_for_no_more_than_the_look_ahead_and_every_latency_is_measured(
    generator: CompositeGenerator,
) -> None:
    arrived = 0

    def camera() -> Iterator[Tensor]:
        nonlocal arrived
        for semantic in semantics(40):
            arrived += 1
            yield semantic

    engine = make_engine(generator)
    for number, _ in enumerate(engine.live(camera(), share=0.3, lookahead=5)):
        assert arrived - number <= 5 + 1
    found = engine.latency.summary()
    assert found["frames"] == 40
    assert 0 < found["median"] <= found["95th"] <= found["worst"]


def test_overlapped_frames_are_the_same_bit_by_bit(generator: CompositeGenerator) -> None:
    clip, engine = make_clip(12), make_engine(generator)
    keywords = {"key_frames": [0, 1, 4, 9, 11], "first_frames": list(clip.image[0, :2])}

    def semantic(number: int) -> Tensor:
        return clip.semantic[0, number]

    alone = list(engine.frames(semantic, **keywords))  # type: ignore[arg-type]
    together = list(engine.frames(semantic, overlapped=True, **keywords))
    assert torch.equal(torch.stack(alone), torch.stack(together))


PEAK = """
import itertools, resource, sys
import torch
from models.networks.generator import CompositeGenerator
from models.interpolation.choose import make_interpolator
from models.keyframes.thumbnails import LazyThumbnails
from models.keyframes.offline import choose_keyframes
from models.inference.synthesizer import Synthesizer

torch.set_num_threads(1)
num_frames, is_live = int(sys.argv[1]), sys.argv[2] == "live"
generator = CompositeGenerator(semantic_channels=15, base_channels=2, num_downsamples=1, num_blocks=1)
engine = Synthesizer(generator, num_frames=3, interpolator=make_interpolator("dis"), device=torch.device("cpu"))

def semantic(number):
    return torch.full((15, 64, 64), number * 7 % 11 / 11)

if is_live:
    frames = engine.live(map(semantic, range(num_frames)), share=0.3, lookahead=6)
else:
    thumbnails = LazyThumbnails(semantic, num_frames=num_frames)
    keys = choose_keyframes(thumbnails, method="dp", share=0.3, num_given=0)
    frames = engine.frames(semantic, key_frames=keys)
assert sum(1 for _ in frames) == num_frames
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["offline", "live"])
def test_2000_frames_need_less_than_50_mb_more_than_200(kind: str) -> None:
    def peak(num_frames: int) -> float:
        command = [sys.executable, "-c", PEAK, str(num_frames), kind]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert peak(2000) - peak(200) < 50
