"""The contract of a method: what a file in this folder has to say to be compared with the others.

A method is one class in one file of this folder, found by discovery. It knows groups of parameters and a budget; the
runner owns the rest (phases, projection to exactly k, masks, compaction, fine-tuning, measuring), so no method can
cheat and none repeats it. Hyper-parameters are the keyword-only arguments of __init__, each with a type that says
its range (`NonNegative`, `Fraction`, `Literal[...]`); a suite is validated against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Protocol, get_type_hints

from annotated_types import Ge, Gt, Le
from torch import Tensor
from torch.optim import Optimizer

from methods.groups import Budget, Groups, Scope

Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
Start = Literal["scratch", "dense"]


class TrialLike(Protocol):
    """What `Method.skip` may look at."""

    @property
    def architecture(self) -> str:
        """Name of the architecture."""

    @property
    def dataset(self) -> str:
        """Name of the dataset."""

    @property
    def grouping(self) -> str:
        """Name of the grouping."""

    @property
    def scope(self) -> Scope:
        """Where the budget holds."""

    @property
    def keep(self) -> float:
        """Fraction of groups that are to survive."""


class Method:
    """A way to choose and train the groups that survive. The defaults are those of a one-shot method.

    name: how suites, CSVs and figures call it.
    starts_from: "scratch" where the network is trained under the method from its initial weights, "dense" where it
        begins with a trained network. A suite may set `start` instead.
    trains: whether there is a sparsify phase; a one-shot method only ranks, and spends those epochs elsewhere.
    prunes: False for the dense control alone: it keeps every group.
    decays: True where the method shrinks its groups by itself, so that the runner leaves the weight decay of the
        optimiser off their parameters while the method trains.
    folds: whether it may be run with `measure: folded`; False where a regulariser of fixed strength acts on the norms.
    """

    name: ClassVar[str]
    starts_from: ClassVar[Start] = "dense"
    trains: ClassVar[bool] = False
    prunes: ClassVar[bool] = True
    decays: ClassVar[bool] = False
    folds: ClassVar[bool] = True

    def __init__(self, groups: Groups, budget: Budget) -> None:
        """Take the groups of the network to work on, and how many of them are to survive."""
        self.groups = groups
        self.budget = budget

    def attach(self, optimizer: Optimizer) -> None:
        """Hear of the optimiser whose steps `after_step` follows, before the first of them."""

    def penalty(self) -> Tensor | None:
        """Return a scalar that is added to the loss of each batch, or None."""
        return None

    def after_step(self, lr: float, progress: float) -> None:
        """Act after each optimiser step of the sparsify phase: the proximal step.

        lr: the learning rate of the step just taken. progress: the part of the phase that is done, in (0, 1].
        """

    def settled(self, progress: float) -> bool:
        """Return whether the choice is final after the step at this progress of the sparsify phase.

        From there on the method would only hold at zero what is zero now, and change no other group. The runner then
        does that instead, calls neither `penalty` nor `after_step` again, and may train a network without these groups.
        """
        return False

    def scores(self) -> list[Tensor]:
        """Importance of each group, one tensor a family shaped as its norms; the k highest survive.

        The default is the Euclidean norm of the group.
        """
        return self.groups.norms()

    def diagnostics(self) -> Mapping[str, float]:
        """Return what epochs.csv should say of the method now; asked for at the end of each epoch.

        lam: the strength of its regulariser. regulariser: the value of it at this point, lam not in it.
        """
        return {}

    @classmethod
    def skip(cls, trial: TrialLike) -> str | None:
        """Return a reason why the method does not apply to this trial, or None where it does."""
        return None

    @classmethod
    def hyperparameters(cls) -> dict[str, tuple[Any, Any]]:
        """Return name -> (type with its range, default) of each hyper-parameter; the default is `...` where none is."""
        hints = get_type_hints(cls.__init__, include_extras=True)
        defaults = cls.__init__.__kwdefaults__ or {}
        code = cls.__init__.__code__
        names = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        return {n: (hints[n], defaults.get(n, ...)) for n in names}
