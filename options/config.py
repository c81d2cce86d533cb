"""What a program is told: frozen dataclasses that refuse impossible values and survive JSON unchanged."""

from dataclasses import dataclass
from typing import Literal

from options.data_config import DataConfig
from options.network_config import DiscriminatorConfig, GeneratorConfig
from options.training_config import LossConfig, RunConfig, ScheduleConfig
from options.values import option, require, require_at_least

LIVE_PORT = 8000

Keyframes = Literal["dp", "uniform", "published", "all"]

Interpolation = Literal["auto", "guided", "dis-fast", "dis", "dis-medium", "blocks", "minterpolate", "blend", "nearest"]

FirstFrame = Literal["real", "single", "generated"]

Runtime = Literal["auto", "eager", "folded", "compile", "openvino", "onnx"]

Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class TrainConfig:
    """Everything ``train.py`` is told; a checkpoint keeps it whole."""

    run: RunConfig = RunConfig()
    data: DataConfig = DataConfig()
    generator: GeneratorConfig = GeneratorConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    loss: LossConfig = LossConfig()
    schedule: ScheduleConfig = ScheduleConfig()

    def __post_init__(self) -> None:
        """Refuse combinations that cannot work, before anything is loaded."""
        stage, is_image = self.run.stage, self.generator.netG == "global"
        if stage in ("skd", "tkd"):
            require(
                self.run.teacher is not None,
                f"--stage {stage} needs the frozen teacher: --teacher checkpoints/NAME_OF_TEACHER",
            )
            require(
                self.generator.low_demand,
                f"--stage {stage} trains the low-demand generator: add --netG sr_mobile_composite --low_demand",
            )
        else:
            require(self.run.teacher is None, f"--stage {stage} has no teacher: leave out --teacher, or --stage skd")
        require(
            stage != "tkd" or self.run.init is not None or self.run.resume,
            "--stage tkd starts from the generator of spatial distillation: --init checkpoints/NAME_OF_SKD",
        )
        require(
            (stage == "first_frame") == is_image,
            "--netG global draws single images and goes with --stage first_frame, and only with it",
        )
        require(
            not self.schedule.begin_as_copy or not (self.generator.no_flow or is_image),
            "--begin_as_copy needs a generator that warps: leave out --no_flow, or --begin_as_copy",
        )
        require(
            not self.schedule.begin_as_copy or self.generator.n_scales_spatial == 1,
            "--begin_as_copy goes with --n_scales_spatial 1: leave out one of them",
        )
        require(
            self.schedule.niter_fix_global == 0 or self.generator.n_scales_spatial > 1,
            "--niter_fix_global trains the finest of several scales: add --n_scales_spatial 2, or leave it out",
        )
        require(
            not self.generator.fg or self.data.dataset_mode == "street",
            f"--fg draws the foreground labels of label maps: --dataset_mode street, found {self.data.dataset_mode}",
        )
        require(
            not self.discriminator.add_face_disc or self.data.dataset_mode in ("face", "pose"),
            f"--add_face_disc looks for faces: --dataset_mode pose or face, found {self.data.dataset_mode}",
        )
        require(
            not (self.discriminator.add_face_disc and self.data.dataset_mode == "face" and self.data.no_dist_map)
            or self.data.no_canny_edge,
            "--add_face_disc finds faces by their distance maps: leave out --no_dist_map, or add --no_canny_edge",
        )
        is_hidden = self.data.basic_point_only if self.data.openpose_only else self.data.remove_face_labels
        require(
            not (self.discriminator.add_face_disc and self.data.dataset_mode == "pose" and is_hidden),
            "--add_face_disc does not go with --remove_face_labels or --openpose_only --basic_point_only, which hide "
            "the face: leave out one of them",
        )
        require(
            not self.loss.kd_mask or stage in ("skd", "tkd"),
            f"--kd_mask goes with --stage skd or tkd, found --stage {stage}: leave it out",
        )
        require(
            stage != "tkd" or self.schedule.n_frames_total >= 3,
            f"--stage tkd --n_frames_total {self.schedule.n_frames_total}: expected at least 3, so that a clip has a "
            "frame to leave out",
        )
        require(
            self.loss.vgg_weights is None or self.loss.perceptual in ("auto", "vgg19"),
            f"--vgg_weights does not go with --perceptual {self.loss.perceptual}: leave out one of them",
        )
        require(
            self.loss.vgg_input == "imagenet" or self.loss.perceptual in ("auto", "vgg19"),
            f"--vgg_input {self.loss.vgg_input} does not go with --perceptual {self.loss.perceptual}: leave out one",
        )
        require(
            self.loss.i3d_weights is None or stage == "tkd",
            f"--i3d_weights goes with --stage tkd, found --stage {stage}: leave it out",
        )


@dataclass(frozen=True)
class TestConfig:
    """Everything ``test.py`` is told."""

    __test__ = False  # not a pytest class

    checkpoint: str = option("", "checkpoint of the student that draws the key-frames: a folder, or checkpoints/NAME")
    dataroot: str = option("datasets/face", "folder of the dataset")
    video: str | None = option(None, "a video of your own in place of the dataset (face, paired); writes an mp4")
    webcam: str | None = option(None, "live from a camera: its number, or a video file in its place", alone="0")
    serve: int | None = option(
        None, "show the stream on a page of this machine, http://127.0.0.1:N; 0: any free port", alone=LIVE_PORT
    )
    raw_weights: bool = option(False, "the weights of the last step, where a run kept a moving average (--ema)")
    phase: str = option("test", "which part of the dataset: <phase>_keypoints, <phase>_img")
    teacher: str | None = option(None, "checkpoint of the teacher, to be run on every frame beside the student")
    name: str | None = option(None, "name of the results; default: the checkpoint's")
    results_dir: str = option("results", "folder of all results")
    output: str | None = option(
        None, "folder of these results, default: RESULTS_DIR/NAME/PHASE_LABEL; with --video an mp4 file"
    )
    keyframes: Keyframes = option("dp", "which frames the student draws")
    keyframe_share: float = option(0.3, "key-frames per output frame (dp, uniform)")
    keyframe_quality: float | None = option(
        None, "in place of the share (dp): as few key-frames as predict every other semantic frame to so many decibels"
    )
    interpolation: Interpolation = option(
        "auto", "motion compensation between key-frames; guided: by the semantic frames there; auto: best for the data"
    )
    first_frame: FirstFrame = option("real", "where the first frames come from")
    single_checkpoint: str | None = option(None, "checkpoint of the single-image generator for --first_frame single")
    student_all: bool = option(False, "run the student on every frame too, as a method")
    baselines: bool = option(False, "add two baselines: repeat the last given frame, mean training frame")
    image_format: Literal["png", "jpg"] = option("png", "format of the written frames")
    how_many: int = option(0, "sequences to do; 0: all")
    start_frame: int = option(0, "first frame of every sequence")
    max_frames: int = option(0, "frames of every sequence; 0: all")
    timing_runs: int = option(1, "repetitions behind the frame rate (median)")
    runtime: Runtime = option(
        "eager", "what runs the student; auto: the fastest that is installed, eager: the network as it was trained"
    )
    precision: Precision = option("auto", "bits of the student's layers; auto: 16 where the processor is made for it")
    runtime_file: str | None = option(None, "run the student from this file of python -m models.inference.export")
    lookahead: int = option(
        0, "choose key-frames live, so many frames ahead, and report the latency of every frame; 0: whole video known"
    )
    seed: int = option(0, "everything random follows from it")
    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps", aliases=("--gpu_ids",))
    debug: bool = option(False, "show the traceback of user errors")

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        require(
            bool(self.checkpoint), "--checkpoint is missing: give the folder of a trained student, checkpoints/NAME"
        )
        require(
            0 < self.keyframe_share <= 1, f"--keyframe_share {self.keyframe_share}: expected more than 0, at most 1"
        )
        require(
            (self.first_frame == "single") == (self.single_checkpoint is not None),
            "--first_frame single and --single_checkpoint checkpoints/NAME go together: give both or none",
        )
        require(
            not self.baselines or self.first_frame == "real",
            "--baselines repeats the last given frame: it needs --first_frame real",
        )
        require_at_least(0, self, "how_many", "start_frame", "max_frames")
        require_at_least(1, self, "timing_runs")
        require(
            self.runtime_file is None or self.runtime == "eager",
            f"--runtime_file brings its own runtime: leave out --runtime {self.runtime}",
        )
        require(self.lookahead >= 0, f"--lookahead {self.lookahead}: expected 0 or more")
        require(
            self.lookahead == 0 or self.keyframes == "dp",
            f"--lookahead chooses key-frames by dp: leave out --keyframes {self.keyframes}",
        )
        require(
            self.keyframe_quality is None or abs(self.keyframe_quality) < 1000,
            f"--keyframe_quality {self.keyframe_quality}: expected decibels, such as 30",
        )
        require(
            self.keyframe_quality is None or self.keyframes == "dp",
            f"--keyframe_quality chooses key-frames by dp: leave out --keyframes {self.keyframes}",
        )
        self._refuse_with_streams()

    def _refuse_with_streams(self) -> None:
        """Refuse what a stream, live or of one's own video, has no use for."""
        require(
            self.video is None or self.webcam is None, "--video and --webcam are two sources: leave out one of them"
        )
        require(
            self.serve is None or 0 <= self.serve < 2**16, f"--serve {self.serve}: expected a port of 0 to {2**16 - 1}"
        )
        is_live = self.serve is not None or self.webcam is not None
        flag = "--serve" if self.serve is not None else "--webcam" if is_live else "--video"
        if not is_live and self.video is None:
            return
        useless = ["teacher", "student_all", "baselines"]
        if self.video is not None or self.webcam is not None:
            useless += ["how_many", "start_frame", "max_frames"]
        if is_live:
            useless += ["output"]
        for name in useless:
            require(not getattr(self, name), f"--{name} does not go with {flag}: leave it out")
        require(
            not is_live or self.keyframes == "dp",
            f"{flag} chooses key-frames live, by dp: leave out --keyframes {self.keyframes}",
        )
        require(
            is_live or self.output is None or self.output.lower().endswith(".mp4"),
            f"--output {self.output}: expected an .mp4 file with --video",
        )
