"""The spec of a trial: validated, and with an id that is equal for equal experiments."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from methods import METHODS, Method
from methods.base import Start
from methods.groups import Measure, Scope
from results.errors import InputError, nearest
from runners.data import Normalisation
from runners.datasets import DATASETS
from runners.datasets.augmentation import AUGMENTATIONS
from runners.networks.architectures import ARCHITECTURES
from runners.networks.groupings import GROUPINGS, scope_of
from runners.precision import Precision
from runners.sources import sources_of

PROTOCOL = 2
ScheduleOver = Literal["phase", "trial"]
Equal = Literal["epochs", "macs"]


class Strict(BaseModel):
    """A frozen model that refuses unknown keys, numbers that are not finite, and booleans as numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def __copy__(self) -> Self:
        """Copy the fields, and not what was computed of them: `model_copy` changes some."""
        copied = super().__copy__()
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied

    @field_validator("*", mode="before")
    @classmethod
    def _no_number_is_true(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("true and false are not allowed here")
        return value


class Recipe(Strict):
    """The training recipe, the same for every method. Epochs are per phase; see `TrialSpec.epochs`.

    schedule_over: `phase` restarts the schedule of the learning rate in each phase; `trial` spans one schedule over
        sparsify and fine-tune.
    dense_weights: a file with the weights of the dense network, which then has no epochs; see `networks.pretrained`.
    normalisation: by mean and standard deviation of the training split, or of ImageNet.
    round_to: round the number of groups that a family keeps up to a multiple of this; see `methods.Budget.of`.
    shrink: whether a network is trained on without its zero groups once the choice of the method is final, where that
        pays; see `runners.shrinking`.
    precision: the number format of training and of accuracies; see `runners.precision`.
    """

    dense_epochs: int = Field(ge=0)
    sparsify_epochs: int = Field(ge=1)
    finetune_epochs: int = Field(ge=0)
    batch_size: int = Field(128, ge=1)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(0.05, gt=0)
    finetune_lr: float | None = Field(None, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    schedule_over: ScheduleOver = "phase"
    warmup: float = Field(0.0, ge=0, lt=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    augmentation: tuple[Annotated[str, AfterValidator(AUGMENTATIONS.check)], ...] = ()
    train_images: int | None = Field(None, ge=2)
    start: Start | None = None
    dense_weights: str | None = Field(None, min_length=1)
    normalisation: Normalisation = "dataset"
    round_to: int = Field(1, ge=1)
    shrink: bool = True
    precision: Precision = "float32"

    @model_validator(mode="after")
    def _trained_once(self) -> Self:
        """Raise ValueError unless the dense network is either trained here or loaded from a file."""
        if self.dense_weights is None and self.dense_epochs < 1:
            raise ValueError("dense_epochs = 0: must be greater than or equal to 1 without dense_weights")
        if self.dense_weights is not None and self.dense_epochs > 0:
            raise ValueError(
                f"dense_epochs = {self.dense_epochs}: must be 0 with dense_weights, whose network is trained already"
            )
        return self

    @property
    def total_epochs(self) -> int:
        """Total epochs of every trial of this recipe, for every method."""
        before = self.dense_epochs + self.sparsify_epochs
        if self.start != "dense":
            before = max(self.dense_epochs, self.sparsify_epochs)
        return before + self.finetune_epochs


# keys of the recipe that the shared dense network does not depend on
NOT_DENSE = {"sparsify_epochs", "finetune_epochs", "finetune_lr", "schedule_over", "start", "round_to", "shrink"}

# keys of the recipe that a method may override, as hyper-parameters
TUNED = ("finetune_epochs", "finetune_lr", "schedule_over")


class Epochs(NamedTuple):
    """Epochs of each phase."""

    dense: int
    sparsify: int
    finetune: int


def check_method(name: str) -> str:
    """Return the name of a method if it is known. Raises InputError, with the nearest name, otherwise."""
    if name not in METHODS:
        raise InputError(f"unknown method; {nearest(name, METHODS)}")
    return name


def _make_model(method: type[Method]) -> type[BaseModel]:
    fields: dict[str, Any] = method.hyperparameters()
    return create_model(f"{method.name}", __base__=Strict, **fields)


def _model_of(method: type[Method]) -> type[BaseModel]:
    """Return the model of the hyper-parameters of a method, made once: it takes milliseconds."""
    if method not in _MODELS:
        _MODELS[method] = _make_model(method)
    return _MODELS[method]


_MODELS: dict[type[Method], type[BaseModel]] = {}


def _digest(content: dict[str, Any], protocol: int) -> str:
    """Return the hash of a spec, without the folder of a file of weights, and without protocol 1."""
    content.pop("protocol", None)
    if protocol > 1:
        content["protocol"] = protocol
    if weights := content["recipe"].get("dense_weights"):
        content["recipe"]["dense_weights"] = Path(weights).name
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


class DenseSpec(Strict):
    """A dense network that trials share, trained once per architecture, dataset, seed and dense part of a recipe."""

    architecture: str
    dataset: str
    seed: int
    recipe: Recipe
    protocol: int = PROTOCOL
    sources: dict[str, str] = {}

    @cached_property
    def id(self) -> str:
        """Hash of all values that determine its weights, defaults left out."""
        content = self.model_dump(exclude_defaults=True)
        content["recipe"] = self.recipe.model_dump(exclude=NOT_DENSE, exclude_defaults=True, mode="json")
        return _digest(content, self.protocol)


class TrialSpec(Strict):
    """One trial: a method that keeps a fraction of the groups of a network, with a seed.

    finetune_epochs, finetune_lr, schedule_over: hyper-parameters of the method that override the recipe; the total of
        the epochs stays that of the recipe. None: as in the recipe, see `epochs`.
    measure: the norm of groups, see `runners.networks.groupings.measures`.
    sources: hashes of the source of functions of a user's own by their names, see `runners.sources`; filled in here.
    equal: the cost in which a start from scratch at the final size equals the other trials: epochs, or training
        multiply-adds, with at most MOST_TIMES the epochs.
    """

    method: Annotated[str, AfterValidator(check_method)]
    hyperparameters: dict[str, Any] = {}
    architecture: Annotated[str, AfterValidator(ARCHITECTURES.check)]
    dataset: Annotated[str, AfterValidator(DATASETS.check)]
    grouping: Annotated[str, AfterValidator(GROUPINGS.check)] = "filter"
    scope: Scope = "layer"
    keep: float = Field(gt=0, le=1)
    seed: int = Field(ge=0)
    start: Start | None = None
    recipe: Recipe
    protocol: int = PROTOCOL
    finetune_epochs: int | None = Field(None, ge=0)
    finetune_lr: float | None = Field(None, gt=0)
    schedule_over: ScheduleOver | None = None
    measure: Measure = "raw"
    equal: Equal = "epochs"
    sources: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _canonical(cls, content: Any) -> Any:
        """Normalise equal trials to equal specs: drop default hyper-parameters, and the pruning keys of `dense`."""
        if not isinstance(content, dict):
            return content  # which pydantic refuses
        if "sources" not in content:
            content = content | {"sources": sources_of(*(content.get(k) for k in ("dataset", "architecture")))}
        method = METHODS.get(str(content.get("method")))
        if method is None:
            return content
        given = _model_of(method).model_validate(content.get("hyperparameters") or {})
        content = content | {"hyperparameters": given.model_dump(exclude_defaults=True)}
        if not method.prunes:
            content |= {"keep": 1.0, "scope": "layer", "grouping": "filter", "start": None, "measure": "raw"}
            content |= dict.fromkeys(TUNED)
        elif (grouping := content.get("grouping")) in GROUPINGS:
            content |= {"scope": scope_of(str(grouping), content.get("scope", "layer"))}
            content |= {"sources": sources_of(grouping) | content["sources"]}
        return content

    @model_validator(mode="after")
    def _epochs_suffice(self) -> Self:
        """Raise ValueError if a required phase has no epochs, or a key does not apply to the method."""
        method, given = METHODS[self.method], self.finetune_epochs
        if given is not None:
            self._check_split(given)
        if self.schedule_over is not None and not method.trains:
            raise ValueError(f"schedule_over = {self.schedule_over}: {self.method} has no sparsify phase to go over")
        if self.equal == "macs" and (method.trains or not method.prunes or self.starts_from != "scratch"):
            raise ValueError(
                "equal = macs: is for a start from scratch at the final size: method random, start: scratch"
            )
        if self.measure == "folded" and not method.folds:
            raise ValueError(
                f"measure = folded: {self.method} has a fixed strength, whose prox would remove first what is largest;"
                " raw or gamma, or a method that only chooses"
            )
        if method.trains and self.epochs.sparsify < 1 and given is None:
            raise ValueError(
                f"start = dense leaves {self.method} {self.epochs.sparsify} of {self.recipe.total_epochs} epochs; "
                "set start: dense in the recipe, so that every method gets the longer total"
            )
        return self

    def _check_split(self, given: int) -> None:
        method, recipe = METHODS[self.method], self.recipe
        most = recipe.total_epochs
        if method.trains:
            most -= 1 + (recipe.dense_epochs if self.starts_from == "dense" else 0)
        elif self.starts_from == "scratch" or recipe.dense_weights is not None:
            raise ValueError(
                f"finetune_epochs = {given}: {self.method} trains the final network in all {most} epochs here"
            )
        else:
            most -= 1
        if given > most:
            raise ValueError(
                f"finetune_epochs = {given}: {self.method} may take at most {most} of its {recipe.total_epochs} epochs"
            )

    @cached_property
    def id(self) -> str:
        """Hash of the canonical spec, defaults left out, so that a new field with a default changes no identity."""
        content = self.model_dump(exclude_defaults=True, mode="json")
        if self.start == self._usual_start:
            content.pop("start", None)  # equals the default
        return _digest(content, self.protocol)

    @cached_property
    def dense(self) -> DenseSpec:
        """Spec of the dense network of this trial, with the dense epochs of the trial."""
        recipe = self.recipe
        if self.epochs.dense:
            recipe = recipe.model_copy(update={"dense_epochs": self.epochs.dense})
        own = {name: source for name, source in self.sources.items() if name in (self.architecture, self.dataset)}
        return DenseSpec(
            architecture=self.architecture,
            dataset=self.dataset,
            seed=self.seed,
            recipe=recipe,
            protocol=self.protocol,
            sources=own,
        )

    @property
    def starts_from(self) -> Start:
        """Start of the method: from the trial, else from the recipe for methods that train, else from the method."""
        return self.start or self._usual_start

    @property
    def _usual_start(self) -> Start:
        method = METHODS[self.method]
        return (self.recipe.start if method.trains else None) or method.starts_from

    @property
    def epochs(self) -> Epochs:
        """Epochs of each phase; their total is the same for every method of a recipe.

        A method that trains fine-tunes for the epochs of the recipe and sparsifies in the rest; a one-shot method
        fine-tunes in all epochs after its start. If the trial sets finetune_epochs, the rest goes to sparsify for a
        method that trains, and to the dense network for a one-shot method.
        """
        recipe, trains, given = self.recipe, METHODS[self.method].trains, self.finetune_epochs
        dense = recipe.dense_epochs if self.starts_from == "dense" else 0
        if not trains and given is not None:
            dense = recipe.total_epochs - given
        left = recipe.total_epochs - dense
        usual = min(left, recipe.finetune_epochs) if trains else left
        finetune = usual if given is None else given
        return Epochs(dense, left - finetune, finetune)

    @property
    def all_hyperparameters(self) -> dict[str, Any]:
        """Hyper-parameters, defaults included."""
        return _model_of(METHODS[self.method]).model_validate(self.hyperparameters).model_dump()

    @property
    def configuration(self) -> dict[str, Any]:
        """The configuration of the method: its hyper-parameters, and its overrides of the recipe."""
        own = {key: value for key in TUNED if (value := getattr(self, key)) is not None}
        return self.all_hyperparameters | own

    @property
    def highest_finetune_lr(self) -> float:
        """The highest learning rate of fine-tuning."""
        return self.finetune_lr or self.recipe.finetune_lr or self.recipe.lr

    @property
    def one_cycle(self) -> bool:
        """Whether one schedule of the learning rate spans sparsify and fine-tune."""
        return METHODS[self.method].trains and (self.schedule_over or self.recipe.schedule_over) == "trial"


def explain(error: ValidationError, where: str) -> InputError:
    """Convert the first finding of a validation to an error of one line: where, key path, value, and allowed values."""
    finding, path = error.errors()[0], _path(error.errors()[0]["loc"])
    # a value of a union type has a finding for each type
    messages = [str(e["msg"]).removeprefix("Value error, ") for e in error.errors() if _path(e["loc"]) == path]
    message = " or ".join(m[0].lower() + m[1:] for m in dict.fromkeys(messages))
    if finding["type"] == "missing":
        return InputError(f"{where}: {path}: missing; a value is needed")
    return InputError(f"{where}: {path} = {_short(finding['input'])}: {message}" if path else f"{where}: {message}")


def _path(place: tuple[int | str, ...]) -> str:
    """Return key and indices, without the names of types that pydantic appends."""
    return str(place[0]) + "".join(f"[{p}]" for p in place[1:] if isinstance(p, int)) if place else ""


def _short(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) < 60 else text[:57] + "..."
