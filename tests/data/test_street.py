import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.build import build_clips, build_encoder, build_sequences
from data.clips import ClipRequest, collate_clips
from data.kinds.label_sets import CITYSCAPES_19, CITYSCAPES_35, read_label_set, resolved
from data.kinds.street import StreetEncoder, instance_edges
from models.keyframes.offline import choose_keyframes
from models.keyframes.thumbnails import thumbnail
from options.data_config import DataConfig
from options.training_config import ScheduleConfig
from tests.golden import load_golden
from tests.tiny_street import CAR, COLOURS, ROAD, SKY, tiny_labels, write_tiny_street
from util.errors import UserError
from util.media.pictures import write_picture

STREET = DataConfig(dataset_mode="street", loadSize=64, use_instance=True)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_street(tmp_path_factory.mktemp("street"), phase="train", num_frames=8)


def test_instance_edges_equal_published_ones() -> None:
    golden, _ = load_golden("data_street")
    ids = golden["get_edges_in"]
    assert torch.equal(instance_edges(ids).float(), golden["get_edges_out"][:, :, 0])


def test_edges_see_a_difference_in_either_byte() -> None:
    low, high = torch.zeros(2, 2, 1, 3, dtype=torch.uint8)
    low[0, 0, 0], high[1, 0, 2] = 1, 1
    assert instance_edges(low).tolist() == [[True, True, False]]
    assert instance_edges(high).tolist() == [[False, True, True]]


def test_finished_frames_are_one_hot_labels_edges_and_a_foreground() -> None:
    encoder = StreetEncoder(CITYSCAPES_35, foreground_ids=(CAR,), with_instances=True)
    labels = torch.from_numpy(tiny_labels(0))
    planes = torch.stack([labels, labels, torch.zeros_like(labels)])[None, None].expand(2, 3, -1, -1, -1)
    semantic = encoder.finish(planes)
    foreground = encoder.foreground(semantic)
    assert semantic.shape == (2, 3, 36, 48, 96) and semantic.dtype == torch.float32
    assert torch.equal(semantic[1, 2, :35].argmax(dim=0), labels.long()) and (semantic[:, :, :35].sum(dim=2) == 1).all()
    assert torch.equal(semantic[0, 0, 35], instance_edges(labels[None]).float())
    assert foreground is not None and torch.equal(foreground[1, 1, 0], (labels == CAR).float())
    assert StreetEncoder(CITYSCAPES_35).foreground(semantic) is None


def test_the_loader_hands_on_bytes_not_channels(root: Path) -> None:
    clip = build_clips(STREET, ScheduleConfig(), root=root, seed=0)[ClipRequest(0, 3)]
    assert clip.planes.dtype == torch.uint8 and clip.planes.shape == (1, 3, 3, 32, 64)
    finished = collate_clips([clip, clip]).finished(build_encoder(STREET))
    assert finished.semantic.shape == (2, 3, 36, 32, 64) and finished.foreground is not None
    assert finished.foreground.shape == (2, 3, 1, 32, 64)


@given(
    draw=st.integers(0, 10**6),
    affine=st.sampled_from([0.0, 1.0]),
    mode=st.sampled_from(["scaleWidth", "scaleWidth_and_crop", "randomScaleWidth_and_scaledCrop", "resize"]),
)
@settings(max_examples=20, deadline=None)
def test_labels_instances_foreground_and_images_of_a_clip_stay_aligned(
    root: Path, draw: int, affine: float, mode: str
) -> None:
    config = DataConfig(dataset_mode="street", loadSize=128, fineSize=64, resize_or_crop=mode, use_instance=True)
    clips = build_clips(config, ScheduleConfig(affine=affine, max_t_step=2), root=root, seed=1)
    clip = clips[ClipRequest(draw, 3)].finished(clips.encoder)
    assert clip.foreground is not None
    for semantic, image, foreground in zip(clip.semantic[0], clip.image[0], clip.foreground[0], strict=True):
        labels = semantic[:35].argmax(dim=0)
        assert torch.equal(foreground[0], (labels == CAR).float())
        # instances of the tiny world are its labels
        assert torch.equal(semantic[35] > 0, instance_edges(labels[None].byte()))
        for label, colour in COLOURS.items():
            is_inside = (labels == label) & (semantic[35] == 0)
            if is_inside.sum() > 64:  # a strip along a border is all mixed
                wanted = torch.tensor(colour)[:, None] / 127.5 - 1
                # resampling mixes colours near borders; inside, a frame turned another way would be wholly wrong
                assert ((image[:, is_inside] - wanted).abs().amax(dim=0) < 0.1).float().mean() > 0.75


@pytest.mark.parametrize("older", [False, True])
def test_both_published_folder_forms_are_read(tmp_path: Path, older: bool) -> None:
    write_tiny_street(tmp_path, phase="test", num_frames=2, older=older)
    (one,) = build_sequences(STREET, root=tmp_path, phase="test")
    image = one.image(1)
    assert (one.name, one.num_frames, one.size, one.frame_name(1)) == ("drive", 2, (32, 64), "00001")
    assert one.semantic(1).shape == (36, 32, 64) and image is not None and image.shape == (3, 32, 64)


@pytest.mark.parametrize("missing", ["A", "B", "Inst"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    write_tiny_street(tmp_path, phase="train", num_frames=4)
    path = tmp_path / missing / "train/drive/00002.png"
    path.unlink()
    with pytest.raises(UserError) as caught:
        build_clips(STREET, ScheduleConfig(), root=tmp_path, seed=0)
    assert str(caught.value).startswith(f"{path}: ")


def test_testing_needs_no_images_but_the_instances_that_the_model_was_trained_with(tmp_path: Path) -> None:
    write_tiny_street(tmp_path, phase="test", num_frames=2)
    for path in sorted((tmp_path / "B").rglob("*.png")):
        path.unlink()
    assert build_sequences(STREET, root=tmp_path, phase="test")[0].image(0) is None
    for path in sorted((tmp_path / "Inst").rglob("*.png")):
        path.unlink()
    with pytest.raises(UserError, match="Inst/test/drive: .*use_instance"):
        build_sequences(STREET, root=tmp_path, phase="test")


def semantic_of(root: Path, picture: Image.Image, config: DataConfig) -> torch.Tensor:
    folder = root / "A/test/one"
    folder.mkdir(parents=True)
    picture.save(folder / "0.png")
    return build_sequences(config, root=root, phase="test")[0].semantic(0)


def test_an_unknown_id_is_refused_with_its_file_or_counted_as_told(tmp_path: Path) -> None:
    labels = np.full((64, 64), ROAD, np.uint8)
    labels[0, 5] = 255
    refusing = DataConfig(dataset_mode="street", loadSize=64)
    with pytest.raises(UserError, match="A/test/one/0.png: .* found 255 at x 5, y 0; .*--ignore_label"):
        semantic_of(tmp_path / "refused", Image.fromarray(labels), refusing)
    lenient = DataConfig(dataset_mode="street", loadSize=64, ignore_label=SKY)
    semantic = semantic_of(tmp_path / "remapped", Image.fromarray(labels), lenient)
    assert semantic[SKY].sum() == semantic[SKY, 0, 5] == 1


def test_train_ids_have_a_channel_for_what_is_ignored(tmp_path: Path) -> None:
    labels = np.full((64, 64), 13, np.uint8)
    labels[:32] = 255
    config = DataConfig(dataset_mode="street", loadSize=64, label_set="cityscapes19")
    semantic = semantic_of(tmp_path, Image.fromarray(labels), config)
    assert semantic.shape[0] == len(CITYSCAPES_19) == 20
    assert (semantic[19, :32] == 1).all() and (semantic[13, 32:] == 1).all()
    foreground = build_encoder(config).foreground(semantic)
    assert foreground is not None and foreground.sum() == 32 * 64


def test_palette_indices_count_and_colours_are_refused(tmp_path: Path) -> None:
    indexed = Image.fromarray(np.full((64, 64), ROAD, np.uint8)).convert("P")
    indexed.putpalette([1, 2, 3] * 256)
    config = DataConfig(dataset_mode="street", loadSize=64)
    assert semantic_of(tmp_path / "indexed", indexed, config)[ROAD].min() == 1
    with pytest.raises(UserError, match="A/test/one/0.png: .*data.prepare street"):
        semantic_of(tmp_path / "coloured", Image.new("RGB", (64, 64), (1, 2, 3)), config)


def test_frames_of_another_size_are_named(tmp_path: Path) -> None:
    write_tiny_street(tmp_path, phase="train", num_frames=3)
    for folder in ("A", "B", "Inst"):
        broken = tmp_path / folder / folder
        write_tiny_street(broken, phase="train", num_frames=3)
        write_picture(broken / folder / "train/drive/00001.png", np.zeros((20, 30), np.uint8))
        with pytest.raises(UserError, match=f"{folder}/train/drive/00001.png: expected 96 x 48"):
            build_clips(STREET, ScheduleConfig(), root=broken, seed=0)[ClipRequest(0, 3)]


def png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


pictures = st.builds(
    lambda mode, width, height, level: png(Image.new(mode, (width, height), level)),
    st.sampled_from(["1", "L", "P", "I;16", "RGB", "RGBA", "LA"]),
    st.integers(1, 80),
    st.integers(1, 80),
    st.integers(0, 255),
)


@given(content=st.one_of(pictures, st.binary(max_size=80)), cut=st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_random_files_give_a_frame_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cut: int
) -> None:
    root = write_tiny_street(tmp_path_factory.mktemp("random"), phase="test", num_frames=1)
    (root / "A/test/drive/00000.png").write_bytes(content[: len(content) - cut])
    try:
        (one,) = build_sequences(STREET, root=root, phase="test")
        assert one.semantic(0).isfinite().all()
    except UserError as error:
        assert "\n" not in str(error)


values = st.one_of(st.integers(-5, 300), st.floats(), st.just(None))


@given(
    st.one_of(
        st.text(max_size=30),
        st.lists(
            st.fixed_dictionaries(
                {"name": st.one_of(st.none(), st.text(max_size=5)), "id": values},
                optional={"color": st.one_of(values, st.lists(values, max_size=4))},
            ),
            max_size=3,
        ).map(json.dumps),
    )
)
@settings(max_examples=50, deadline=None)
def test_random_label_sets_are_read_or_refused_in_one_line(text: str) -> None:
    try:
        assert len(read_label_set(text)) >= 1
    except UserError as error:
        assert "\n" not in str(error)


def test_label_sets_are_read_from_a_file_and_need_it_no_more(tmp_path: Path) -> None:
    rows = [{"name": "sky", "id": 300, "color": [1, 2, 3]}, {"name": "road", "id": 7, "color": [4, 5, 6]}]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(rows))
    kept = resolved(str(path))
    labels = read_label_set(str(path))
    path.unlink()
    assert read_label_set(kept) == labels and labels[0].id == 300
    assert resolved("cityscapes35") == "cityscapes35" and len(read_label_set("plain7")) == 7
    with pytest.raises(UserError, match="found id 7 twice"):
        read_label_set(json.dumps([rows[1], rows[1]]))


def test_cityscapes_labels_are_the_published_ones() -> None:
    assert [label.id for label in CITYSCAPES_35] == list(range(35))
    assert (CITYSCAPES_35[26].name, CITYSCAPES_35[7].color, CITYSCAPES_35[33].name) == (
        "car", (128, 64, 128), "bicycle",
    )  # fmt: skip
    assert [label.name for label in CITYSCAPES_19[:3]] == ["road", "sidewalk", "building"]


def test_labels_are_shown_in_their_colours_with_white_edges(root: Path) -> None:
    (one,) = build_sequences(STREET, root=root, phase="train")
    picture = one.encoder.picture(one.semantic(0))
    assert picture[0, 0].tolist() == [70, 130, 180] and picture[31, 0].tolist() == [128, 64, 128]
    assert (picture == 255).all(axis=2).any()


def test_key_frames_are_chosen_from_labels(root: Path) -> None:
    (one,) = build_sequences(STREET, root=root, phase="train")
    thumbnails = torch.stack([thumbnail(one.semantic(number)) for number in range(one.num_frames)])
    for method in ("dp", "published", "uniform"):
        chosen = choose_keyframes(thumbnails, method=method, share=0.4, num_given=2)
        assert chosen[:2] == [0, 1] and chosen[-1] == 7 and chosen == sorted(set(chosen))
