"""Will all of it map? The rules in their order, one partition, and what to say about the model as a whole.

The compiler is closed; where it is installed it is the truth. This predicts what a compiler does with a file
and says how sure that is. Each rule names its source: the vendor's documentation, a published log, a compiled
file, or reasoning. Where the person's own compiler was asked (:mod:`edge_ser.edgetpu.op_table`), its answers
win over the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge_ser.edgetpu import general_rules, layer_rules, tensor_rules
from edge_ser.edgetpu.compilers import LATEST, Compiler
from edge_ser.edgetpu.model import Model, Operator
from edge_ser.edgetpu.notes import Note, model_notes
from edge_ser.edgetpu.op_table import OpTable
from edge_ser.edgetpu.rule import Confidence, Rule, Verdict
from edge_ser.errors import InputError

RULES: tuple[Rule, ...] = (
    general_rules.builtin_code_known,
    general_rules.operation_version,
    general_rules.resize_version,
    general_rules.quantize_from_integers,
    general_rules.product_of_activations,
    general_rules.operation_in_list,
    general_rules.tile_of_one_pixel,
    general_rules.data_type,
    general_rules.quantised_per_tensor,
    general_rules.static_shape,
    general_rules.three_inner_dimensions,
    general_rules.constant_parameters,
    layer_rules.no_fused_activation,
    layer_rules.fused_activation_in_list,
    layer_rules.concatenation_constant,
    layer_rules.equal_dilation,
    layer_rules.no_dilated_depthwise,
    layer_rules.kernel_size,
    layer_rules.weights_not_all_zero,
    layer_rules.default_weights_format,
    layer_rules.dense_one_row,
    layer_rules.softmax_size,
    layer_rules.softmax_one_row,
    layer_rules.prelu_alpha,
    tensor_rules.no_reduction_over_batch,
    tensor_rules.mean_over_image_only,
    tensor_rules.mean_over_channels,
    tensor_rules.mean_of_large_area,
    tensor_rules.no_padding_of_batch,
    tensor_rules.pad_image_only,
    tensor_rules.squeeze_leading_only,
    tensor_rules.no_pack_over_batch,
    tensor_rules.no_split_of_batch,
    tensor_rules.plain_slice,
    tensor_rules.reshape_of_large_tensor,
    tensor_rules.transpose_of_large_tensor,
    tensor_rules.concatenation_of_many_rows,
    tensor_rules.resize_from_one_pixel,
    tensor_rules.resize_to_large_image,
    tensor_rules.mean_area,
    tensor_rules.split_of_image,
    tensor_rules.reshape_size,
    tensor_rules.transpose_keeps_batch,
    tensor_rules.resize_size,
    tensor_rules.resize_factor,
    tensor_rules.broadcast_along_channels,
    layer_rules.dense_per_channel,
    layer_rules.dense_over_rows,
    layer_rules.softmax_over_rows,
    tensor_rules.transpose_order,
    tensor_rules.broadcast_of_constant,
    tensor_rules.broadcast,
    general_rules.open_batch,
    general_rules.operation_version_seen,
)
"""Every rule; the first that speaks decides, so refusals stand before doubts and doubts before remarks."""

ONE_PARTITION = "one-partition"
"""Name of the verdict on operations that would map and lie behind the place where the graph splits."""

YOUR_COMPILER = "your-compiler"
"""Name of the verdict that the person's own compiler gave on a probe model of the same form."""

_VERSION_RULES = (general_rules.operation_version.name, general_rules.operation_version_seen.name)


@dataclass(frozen=True)
class OpVerdict:
    """What becomes of one operator.

    Attributes:
        index: place in execution order.
        op: builtin name, or the custom operation's.
        tensor: name of its first output.
        verdict: mapped, host or unknown.
        rule: name of the rule that decided; ``""`` where none had anything to say.
        reason: what was found, and the rule; ``""`` where none had anything to say.
        hint: what to do; ``""`` where nothing needs to be done.
        confidence: where the verdict is known from.
    """

    index: int
    op: str
    tensor: str
    verdict: Verdict
    rule: str
    reason: str
    hint: str
    confidence: Confidence

    @property
    def mapped(self) -> bool:
        """Whether the Edge TPU runs it, for all that is known."""
        return self.verdict == "mapped"


@dataclass(frozen=True)
class CheckReport:
    """The predicted mapping of a model.

    Attributes:
        compiler: version of the compiler that the prediction is about.
        maps_fully: every operation maps and the compiler takes the file.
        refused: the compiler refuses the whole file; the verdicts then hold once that is mended.
        ops: one verdict per operator, in execution order.
        split_at: index of the first operator behind the mapped part that is left to the host, or ``None``.
        notes: what concerns the model as a whole.
    """

    compiler: str
    maps_fully: bool
    refused: bool
    ops: tuple[OpVerdict, ...]
    split_at: int | None
    notes: tuple[Note, ...]

    def parts(self, model: Model) -> tuple[list[Operator], list[Operator]]:
        """The model's operators for the Edge TPU (doubtful ones too) and those for the host."""
        both = tuple(zip(model.operators, self.ops, strict=True))
        host = [op for op, verdict in both if verdict.verdict == "host"]
        return [op for op, verdict in both if verdict.verdict != "host"], host

    @property
    def host_ops(self) -> tuple[str, ...]:
        """Names of the operations left to the host, in execution order."""
        return tuple(verdict.op for verdict in self.ops if verdict.verdict == "host")


@dataclass(frozen=True)
class _Finding:
    """What decides about one operator on its own."""

    verdict: Verdict
    rule: str
    reason: str
    hint: str
    confidence: Confidence
    refuses_file: bool = False


_NOTHING_TO_SAY = _Finding("mapped", "", "", "", "documented")


def check_model(model: Model, compiler: Compiler = LATEST, table: OpTable | None = None) -> CheckReport:
    """Predict what an Edge TPU compiler maps.

    Args:
        model: a quantised model that the compiler has not seen yet.
        compiler: which one.
        table: what the person's own compiler made of the probe models; wins over the rules.

    Raises:
        InputError: the model is compiled already, or holds no operation.
    """
    if model.compiled:
        message = f"{model.name}: compiled already; check the .tflite it was made from, or inspect this"
        raise InputError(message)
    if not model.operators:
        message = f"{model.name}: holds no operation; export the model again"
        raise InputError(message)
    if table is not None:
        compiler = replace(compiler, newest=table.newest)
    findings = tuple(_find(op, compiler, table) for op in model.operators)
    mappable = [finding.verdict != "host" for finding in findings]
    partition = first_partition(model, mappable)
    behind = [op.index for op in model.operators if op.index not in partition]
    verdicts = tuple(
        _verdict(op, finding, op.index in partition)
        for op, finding in zip(model.operators, findings, strict=True)
    )
    refused = any(finding.refuses_file for finding in findings)
    return CheckReport(
        compiler=compiler.version,
        maps_fully=not refused and all(verdict.mapped for verdict in verdicts),
        refused=refused,
        ops=verdicts,
        split_at=next((index for index in behind if index > min(partition, default=-1)), None),
        notes=model_notes(model, refused),
    )


def _find(op: Operator, compiler: Compiler, table: OpTable | None) -> _Finding:
    """The verdict on one operator: the person's compiler where it was asked, else the first rule that speaks."""
    answer = table.answer(op) if table is not None else None
    own = _NOTHING_TO_SAY
    if answer is not None:
        hint = "" if answer.mapped else "write it in a form that your compiler maps (edge-ser doctor --probe)"
        verdict: Verdict = "mapped" if answer.mapped else "host"
        own = _Finding(verdict, YOUR_COMPILER, answer.words, hint, "your compiler")
    for item in RULES:
        found = item.look(op, compiler)
        if found is None:
            continue
        if answer is not None and item.name == answer.rule:
            own = replace(own, hint="" if answer.mapped else item.hint(op) or own.hint)
            continue
        asked = item.name in _VERSION_RULES and op.name in compiler.newest
        if item.verdict == "mapped" and (answer is not None or asked):
            continue
        if own.verdict == "host" and not item.refuses_file:
            break
        confidence: Confidence = "your compiler" if asked else item.confidence
        reason = f"{found}. {item.text}"
        return _Finding(item.verdict, item.name, reason, item.hint(op), confidence, item.refuses_file)
    return own


def first_partition(model: Model, mappable: list[bool]) -> frozenset[int]:
    """The operators of the one part that goes to the Edge TPU.

    The graph is cut into parts that run alternately on the host and on the Edge TPU; an operator joins the
    part that is being filled as soon as everything it reads is computed. The compiler takes the first Edge
    TPU part only, so that a branch which does not depend on a host operator still maps although it stands
    behind it.

    Algorithm: PartitionGraphIntoIndependentNodeSubsets, tensorflow/lite/graph_info.cc; confirmed by the
    compiled DeepLab v3 of github.com/google-coral/edgetpu.

    Args:
        model: the model.
        mappable: per operator, whether it could map on its own.
    """
    producer = {tensor.index: op.index for op in model.operators for tensor in op.outputs}
    waiting = list(model.operators)
    done: set[int] = set()
    kind = mappable[0]
    for _ in range(2):
        part: set[int] = set()
        left: list[Operator] = []
        for op in waiting:
            needs = {producer[t.index] for t in op.inputs if t is not None and t.index in producer}
            if mappable[op.index] == kind and needs <= done:
                part.add(op.index)
                done.add(op.index)
            else:
                left.append(op)
        if kind:
            return frozenset(part)
        waiting, kind = left, not kind
    return frozenset()


def _verdict(op: Operator, finding: _Finding, in_partition: bool) -> OpVerdict:
    name = op.custom_code or op.name
    tensor = op.outputs[0].name if op.outputs else ""
    if finding.verdict != "host" and not in_partition:
        finding = _Finding(
            verdict="host",
            rule=ONE_PARTITION,
            reason="More than one subgraph is not supported: it depends on an operation that runs on the host.",
            hint="mend the operation that splits the graph, or move that one to the end",
            confidence="documented",
        )
    return OpVerdict(
        op.index,
        name,
        tensor,
        finding.verdict,
        finding.rule,
        finding.reason,
        finding.hint,
        finding.confidence,
    )
