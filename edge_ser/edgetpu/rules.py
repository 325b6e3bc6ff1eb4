"""Will all of it map? The rules in their order, one partition, and what to say about the model as a whole.

The compiler is closed; where it is installed it is the truth. This predicts what compiler 16.0 does with a
file and says how sure that is. Each rule names its source: the vendor's documentation, a published log, a
compiled file, or reasoning.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_ser.edgetpu import general_rules, op_rules
from edge_ser.edgetpu.model import Model, Operator
from edge_ser.edgetpu.notes import Note, model_notes
from edge_ser.edgetpu.rule import Confidence, Rule, Verdict
from edge_ser.errors import InputError

RULES: tuple[Rule, ...] = (
    general_rules.builtin_code_known,
    general_rules.operation_version,
    general_rules.quantize_from_integers,
    general_rules.operation_in_list,
    general_rules.data_type,
    general_rules.quantised_per_tensor,
    general_rules.static_shape,
    general_rules.three_inner_dimensions,
    general_rules.constant_parameters,
    op_rules.no_fused_activation,
    op_rules.concatenation_constant,
    op_rules.equal_dilation,
    op_rules.kernel_size,
    op_rules.weights_not_all_zero,
    op_rules.default_weights_format,
    op_rules.dense_per_tensor,
    op_rules.softmax_size,
    op_rules.no_reduction_over_batch,
    op_rules.mean_over_channels,
    op_rules.no_padding_of_batch,
    op_rules.no_pack_over_batch,
    op_rules.no_split_of_batch,
    op_rules.prelu_alpha,
    op_rules.plain_slice,
    op_rules.resize_from_one_pixel,
    op_rules.mean_area,
    op_rules.split_of_image,
    op_rules.transpose_keeps_batch,
    op_rules.resize_factor,
    op_rules.broadcast_along_channels,
    op_rules.dense_over_rows,
    op_rules.softmax_over_rows,
    op_rules.transpose_order,
    op_rules.broadcast,
    general_rules.operation_version_seen,
)
"""Every rule; the first that speaks decides, so refusals stand before doubts and doubts before remarks."""

ONE_PARTITION = "one-partition"
"""Name of the verdict on operations that would map and lie behind the place where the graph splits."""


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
        maps_fully: every operation maps and the compiler takes the file.
        refused: the compiler refuses the whole file; the verdicts then hold once that is mended.
        ops: one verdict per operator, in execution order.
        split_at: index of the first operator behind the mapped part that is left to the host, or ``None``.
        notes: what concerns the model as a whole.
    """

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


def check_model(model: Model) -> CheckReport:
    """Predict what Edge TPU compiler 16.0 maps.

    Args:
        model: a quantised model that the compiler has not seen yet.

    Raises:
        InputError: the model is compiled already, or holds no operation.
    """
    if model.compiled:
        message = f"{model.name}: compiled already; check the .tflite it was made from, or inspect this"
        raise InputError(message)
    if not model.operators:
        message = f"{model.name}: holds no operation; export the model again"
        raise InputError(message)
    findings = tuple(_first_finding(op) for op in model.operators)
    mappable = [finding is None or finding[0].verdict != "host" for finding in findings]
    partition = first_partition(model, mappable)
    behind = [op.index for op in model.operators if op.index not in partition]
    first_host = next((index for index in behind if index > min(partition, default=-1)), None)
    verdicts = tuple(
        _verdict(op, finding, op.index in partition, mappable[op.index])
        for op, finding in zip(model.operators, findings, strict=True)
    )
    refused = any(finding is not None and finding[0].refuses_file for finding in findings)
    return CheckReport(
        maps_fully=not refused and all(verdict.mapped for verdict in verdicts),
        refused=refused,
        ops=verdicts,
        split_at=first_host,
        notes=model_notes(model, refused),
    )


def _first_finding(op: Operator) -> tuple[Rule, str] | None:
    for item in RULES:
        found = item.look(op)
        if found is not None:
            return item, found
    return None


def first_partition(model: Model, mappable: list[bool]) -> frozenset[int]:
    """The operators of the one part that goes to the Edge TPU.

    The graph is cut into parts that run alternately on the host and on the Edge TPU; an operator joins the
    part that is being filled as soon as everything it reads is computed. The compiler takes the first Edge
    TPU part only, so that a branch which does not depend on a host operator still maps although it stands
    behind it.

    Algorithm: PartitionGraphIntoIndependentNodeSubsets, tensorflow/lite/graph_info.cc; confirmed by the
        compiled
    DeepLab v3 of github.com/google-coral/edgetpu.

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


def _verdict(op: Operator, finding: tuple[Rule, str] | None, in_partition: bool, mappable: bool) -> OpVerdict:
    name = op.custom_code or op.name
    tensor = op.outputs[0].name if op.outputs else ""
    if mappable and not in_partition:
        reason = "More than one subgraph is not supported: it depends on an operation that runs on the host"
        hint = "mend the operation that splits the graph, or move that one to the end"
        return OpVerdict(op.index, name, tensor, "host", ONE_PARTITION, reason, hint, "documented")
    if finding is None:
        return OpVerdict(op.index, name, tensor, "mapped", "", "", "", "documented")
    item, found = finding
    reason = f"{found}. {item.text}"
    return OpVerdict(op.index, name, tensor, item.verdict, item.name, reason, item.hint(op), item.confidence)
