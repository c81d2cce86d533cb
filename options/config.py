"""What a program is told: frozen dataclasses that refuse impossible values and survive JSON unchanged."""

from dataclasses import dataclass
from typing import Literal

from options.data_config import DataConfig
from options.network_config import DiscriminatorConfig, GeneratorConfig
from options.training_config import LossConfig, RunConfig, ScheduleConfig
from options.values import option, require, require_at_least, require_plain_name
from util.errors import UserError

LIVE_PORT = 8000

Keyframes = Literal["dp", "uniform", "published", "all"]

Interpolation = Literal["auto", "guided", "dis-fast", "dis", "dis-medium", "blocks", "minterpolate", "blend", "nearest"]

FirstFrame = Literal["real", "single", "generated"]

Runtime = Literal["auto", "eager", "folded", "compile", "openvino", "onnx"]

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]


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
        run, data, generator, loss, schedule = self.run, self.data, self.generator, self.loss, self.schedule
        stage, is_image, has_teacher = run.stage, generator.netG == "global", run.stage in ("skd", "tkd")
        if has_teacher and run.teacher is None:
            raise UserError(f"--stage {stage} needs the frozen teacher: --teacher checkpoints/NAME_OF_TEACHER")
        if has_teacher and not generator.low_demand:
            raise UserError(
                f"--stage {stage} trains the low-demand generator: add --netG sr_mobile_composite --low_demand"
            )
        if not has_teacher and run.teacher is not None:
            raise UserError(f"--stage {stage} has no teacher: leave out --teacher, or --stage skd")
        if stage == "tkd" and run.init is None and not run.resume:
            raise UserError(
                "--stage tkd starts from the generator of spatial distillation: --init checkpoints/NAME_OF_SKD"
            )
        if (stage == "first_frame") != is_image:
            raise UserError("--netG global draws single images and goes with --stage first_frame, and only with it")
        if schedule.begin_as_copy and (generator.no_flow or is_image):
            raise UserError("--begin_as_copy needs a generator that warps: leave out --no_flow, or --begin_as_copy")
        if schedule.begin_as_copy and generator.n_scales_spatial > 1:
            raise UserError("--begin_as_copy goes with --n_scales_spatial 1: leave out one of them")
        if schedule.niter_fix_global > 0 and generator.n_scales_spatial == 1:
            raise UserError(
                "--niter_fix_global trains the finest of several scales: add --n_scales_spatial 2, or leave it out"
            )
        if generator.fg and data.dataset_mode != "street":
            raise UserError(
                f"--fg draws the foreground labels of label maps: --dataset_mode street, found {data.dataset_mode}"
            )
        if self.discriminator.add_face_disc:
            self._check_faces()
        if loss.kd_mask and not has_teacher:
            raise UserError(f"--kd_mask goes with --stage skd or tkd, found --stage {stage}: leave it out")
        if loss.lambda_kd_feat > 0 and not has_teacher:
            raise UserError(f"--lambda_kd_feat goes with --stage skd or tkd, found --stage {stage}: leave it out")
        if stage == "tkd" and schedule.n_frames_total < 3:
            raise UserError(
                f"--stage tkd --n_frames_total {schedule.n_frames_total}: expected at least 3, so that a clip has a "
                "frame to leave out"
            )
        if loss.perceptual not in ("auto", "vgg19"):
            if loss.vgg_weights is not None:
                raise UserError(f"--vgg_weights does not go with --perceptual {loss.perceptual}: leave out one of them")
            if loss.vgg_input != "imagenet":
                raise UserError(
                    f"--vgg_input {loss.vgg_input} does not go with --perceptual {loss.perceptual}: leave out one"
                )
        if loss.i3d_weights is not None and stage != "tkd":
            raise UserError(f"--i3d_weights goes with --stage tkd, found --stage {stage}: leave it out")

    def _check_faces(self) -> None:
        """Refuse a face discriminator where no face can be found."""
        data = self.data
        if data.dataset_mode not in ("face", "pose"):
            raise UserError(f"--add_face_disc looks for faces: --dataset_mode pose or face, found {data.dataset_mode}")
        if data.dataset_mode == "face" and data.no_dist_map and not data.no_canny_edge:
            raise UserError(
                "--add_face_disc finds faces by their distance maps: leave out --no_dist_map, or add --no_canny_edge"
            )
        is_hidden = data.basic_point_only if data.openpose_only else data.remove_face_labels
        if data.dataset_mode == "pose" and is_hidden:
            raise UserError(
                "--add_face_disc does not go with --remove_face_labels or --openpose_only --basic_point_only, which "
                "hide the face: leave out one of them"
            )


@dataclass(frozen=True)
class TestConfig:
    """Everything ``test.py`` is told."""

    __test__ = False  # not a pytest class

    checkpoint: str = option("", "checkpoint of the student that draws the key-frames: a folder, or checkpoints/NAME")
    dataroot: str = option("datasets/face", "folder of the dataset")
    video: str | None = option(None, "a video of your own in place of the dataset; writes an mp4")
    webcam: str | None = option(None, "live from a camera: its number, or a video file in its place", alone="0")
    serve: int | None = option(
        None, "show the stream on a page of this machine, http://127.0.0.1:N; 0: any free port", alone=LIVE_PORT
    )
    segmenter: str | None = option(
        None, "streets: a segmentation network of your own in ONNX, for the label maps of --video and --webcam"
    )
    retarget: str | None = option(
        None, "faces: the dataset of the checkpoint's person, whose proportions the face of --video takes on"
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
    precision: Precision = option(
        "auto",
        "bits of the student's layers; auto: 16 where the processor is made for it, 8 where such a model is kept "
        "beside the checkpoint; int8: with openvino or onnx, calibrated on the training part of DATAROOT at first",
    )
    float_layers: str = option(
        "", "layers that keep 32 bits with --precision int8: names with commas between, or auto: as few as are needed"
    )
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
        require_plain_name("--phase", self.phase)
        if self.name is not None:
            require_plain_name("--name", self.name)
        if (self.first_frame == "single") != (self.single_checkpoint is not None):
            raise UserError(
                "--first_frame single and --single_checkpoint checkpoints/NAME go together: give both or none"
            )
        if self.baselines and self.first_frame != "real":
            raise UserError("--baselines repeats the last given frame: it needs --first_frame real")
        require_at_least(0, self, "how_many", "start_frame", "max_frames", "lookahead")
        require_at_least(1, self, "timing_runs")
        if self.runtime_file is not None and self.runtime != "eager":
            raise UserError(f"--runtime_file brings its own runtime: leave out --runtime {self.runtime}")
        if self.float_layers and self.precision != "int8":
            raise UserError(f"--float_layers goes with --precision int8, found {self.precision}: leave it out")
        if self.lookahead > 0 and self.keyframes != "dp":
            raise UserError(f"--lookahead chooses key-frames by dp: leave out --keyframes {self.keyframes}")
        if self.keyframe_quality is not None:
            if not abs(self.keyframe_quality) < 1000:
                raise UserError(f"--keyframe_quality {self.keyframe_quality}: expected decibels, such as 30")
            if self.keyframes != "dp":
                raise UserError(f"--keyframe_quality chooses key-frames by dp: leave out --keyframes {self.keyframes}")
        self._refuse_with_streams()

    def _refuse_with_streams(self) -> None:
        """Refuse what a stream, live or of one's own video, has no use for."""
        if self.video is not None and self.webcam is not None:
            raise UserError("--video and --webcam are two sources: leave out one of them")
        if self.serve is not None and not 0 <= self.serve < 2**16:
            raise UserError(f"--serve {self.serve}: expected a port of 0 to {2**16 - 1}")
        is_live = self.serve is not None or self.webcam is not None
        flag = "--serve" if self.serve is not None else "--webcam" if is_live else "--video"
        if self.segmenter is not None and self.video is None and self.webcam is None:
            raise UserError(f"--segmenter {self.segmenter}: finds the labels of --video or --webcam: give one of them")
        if self.retarget is not None and self.video is None:
            raise UserError(f"--retarget {self.retarget}: is for the face of a --video: give one")
        if not is_live and self.video is None:
            return
        useless = ["teacher", "student_all", "baselines"]
        if self.video is not None or self.webcam is not None:
            useless += ["how_many", "start_frame", "max_frames"]
        if is_live:
            useless += ["output"]
        for name in useless:
            require(not getattr(self, name), f"--{name} does not go with {flag}: leave it out")
        if is_live and self.keyframes != "dp":
            raise UserError(f"{flag} chooses key-frames live, by dp: leave out --keyframes {self.keyframes}")
        if not is_live and self.output is not None and not self.output.lower().endswith(".mp4"):
            raise UserError(f"--output {self.output}: expected an .mp4 file with --video")
