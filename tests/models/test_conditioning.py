"""Noise on the frames that a chunk continues: how much, on which frames, and that it does not depend on the batch."""

import pytest
import torch

from models.training.conditioning import BLANK_NOISE, ConditioningAugmentation
from models.training.stages.vid2vid import Vid2Vid
from tests.tiny_stages import make_clip, parts


def test_a_share_of_the_chunks_sees_noise_alone_and_as_many_heavy_noise() -> None:
    augmentation = ConditioningAugmentation(0.05, 0.4, seed=3)
    frames = torch.full((1, 2, 3, 8, 8), 10.0)
    seen = torch.cat([augmentation(frames, start=start) for start in range(400)])
    alone = seen[seen.mean(dim=(1, 2, 3, 4)) < 5]
    others = (seen - frames)[seen.mean(dim=(1, 2, 3, 4)) > 5].std(dim=(1, 2, 3, 4))
    assert len(alone) / 400 == pytest.approx(0.2, abs=0.05)
    assert alone.std().item() == pytest.approx(BLANK_NOISE, rel=0.05)
    # of the heavy ones a tenth draws no more than the others' largest noise
    assert (others > 0.06).float().mean().item() * len(others) / 400 == pytest.approx(0.18, abs=0.05)
    assert others.max() < 0.6


def test_an_item_sees_the_same_however_the_batch_is_cut() -> None:
    frames = torch.rand(3, 2, 3, 8, 8)
    whole = ConditioningAugmentation(0.1, 0.5, seed=1)(frames, start=4)
    part = ConditioningAugmentation(0.1, 0.5, seed=1, first_item=1)(frames[1:], start=4)
    assert torch.equal(whole[1:], part)
    assert not torch.equal(whole, ConditioningAugmentation(0.1, 0.5, seed=1)(frames, start=5))
    assert not torch.equal(whole[0] - frames[0], whole[1] - frames[1])


def test_generated_frames_are_noised_for_the_generator_and_stay_clean_in_the_clip() -> None:
    stage = Vid2Vid(**parts(cond_noise=0.2))
    clip = stage.prepare(make_clip(7), torch.Generator().manual_seed(0))
    for chunk in clip.chunks(2, context=stage.context):
        assert not torch.isclose(chunk.conditioning, chunk.given).any(dim=1).all()
        rollout = stage.rollout(chunk)
        assert torch.equal(rollout.image[:, : chunk.num_given], chunk.given)
        clip.record(rollout.generated)
    quiet = clip.without_noise()
    assert quiet.augmentation is None and torch.equal(quiet.conditioning, quiet.known)


def test_blank_frames_stay_blank() -> None:
    stage = Vid2Vid(**parts(cond_noise=0.2, cond_dropout=0.5, draws_first=True))
    clip = stage.prepare(make_clip(6), torch.Generator().manual_seed(0))
    for chunk in clip.chunks(2, context=stage.context):
        assert not chunk.conditioning[:, : chunk.num_blank].any()
        clip.record(stage.rollout(chunk).generated)


def test_without_it_nothing_is_drawn() -> None:
    first, second = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    Vid2Vid(**parts()).prepare(make_clip(6), first)
    Vid2Vid(**parts(cond_noise=0.1)).prepare(make_clip(6), second)
    assert first.get_state().tolist() != second.get_state().tolist()
