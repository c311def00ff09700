"""A trial's identity, its phases, and what it shares with others."""

import pytest
from pydantic import ValidationError

from methods import METHODS
from runners.spec import NOT_DENSE, Recipe, TrialSpec

EVERY_METHOD = pytest.mark.parametrize("method", METHODS)
RECIPE = {"dense_epochs": 8, "sparsify_epochs": 8, "finetune_epochs": 3}
SPEC = {"method": "magnitude", "architecture": "mlp", "dataset": "digits", "keep": 0.5, "seed": 0, "recipe": RECIPE}

# A value other than the default, and other than in SPEC, for every field: a new field needs one here.
OTHER = {
    "method": "random",
    "hyperparameters": {"lam": 2.0},
    "architecture": "lenet5",
    "dataset": "mnist",
    "grouping": "element",
    "scope": "network",
    "keep": 0.25,
    "seed": 1,
    "start": "scratch",
    "protocol": 1,
    "sources": {"own:net": "0123456789ab"},
    "finetune_epochs": 4,
    "finetune_lr": 0.01,
    "schedule_over": "trial",
    "measure": "gamma",
    "equal": "macs",
}
# what only makes sense with something else
WITH = {"schedule_over": {"method": "gmp"}, "equal": {"method": "random", "start": "scratch"}}
OTHER_RECIPE = {
    "dense_epochs": 9,
    "sparsify_epochs": 9,
    "finetune_epochs": 4,
    "batch_size": 64,
    "optimizer": "adamw",
    "lr": 0.1,
    "finetune_lr": 0.1,
    "momentum": 0.8,
    "weight_decay": 1e-4,
    "schedule": "step",
    "schedule_over": "trial",
    "warmup": 0.1,
    "label_smoothing": 0.1,
    "augmentation": ["flip"],
    "train_images": 100,
    "start": "dense",
    "dense_weights": "weights.pt",
    "normalisation": "imagenet",
    "round_to": 8,
    "shrink": False,
    "precision": "bf16",
}


def other(field):
    """Another recipe: that value, and what goes with it."""
    return {field: OTHER_RECIPE[field]} | ({"dense_epochs": 0} if field == "dense_weights" else {})


def spec(recipe=None, **changes):
    return TrialSpec.model_validate(SPEC | {"recipe": RECIPE | (recipe or {})} | changes)


def wgsef(**hyperparameters):
    return spec(method="wgsef", hyperparameters={"lam": 1.0} | hyperparameters)


# These stand in the CSVs and in the names of folders of every result there is. When one changes, every finished trial
# counts as missing and is run again: add fields only with a default, change no default, and if the meaning of a trial
# really changes, raise PROTOCOL and freeze the new ids here.
GOLDEN = {
    "512a80517adc": lambda: spec(),
    "493a179df935": lambda: spec(method="dense"),
    "952b1cdb7d18": lambda: wgsef(),
    "883b293c952d": lambda: wgsef(ramp=0.25),
    "45b035522c5b": lambda: spec(grouping="element", scope="network", seed=2, start="scratch"),
    "6eb479944935": lambda: spec(
        recipe={"lr": 0.1, "augmentation": ["crop", "flip"], "train_images": 100, "start": "dense"}
    ),
}
GOLDEN_DENSE = {
    "ba3df8ad8405": lambda: spec(),
    "3ab9b58593c8": lambda: spec(recipe={"lr": 0.1, "augmentation": ["crop", "flip"], "train_images": 100}, seed=3),
    "0850e2e20ada": lambda: spec(recipe=WEIGHTS | {"normalisation": "imagenet"}),
}


SECOND = dict(
    zip(
        GOLDEN,
        ["6140fdbd8a0f", "2ce36dbaee4d", "dca503a09574", "2c60d0690237", "a86a660b56e2", "013513dae4de"],
        strict=True,
    )
)
SECOND |= dict(zip(GOLDEN_DENSE, ["6c6d58c7cc3b", "2d7b18bd10cc", "74ad32530feb"], strict=True))


@pytest.mark.parametrize("golden", GOLDEN)
def test_golden_trial_ids(golden):
    now = GOLDEN[golden]()
    assert now.id == SECOND[golden]
    assert now.model_copy(update={"protocol": 1}).id == golden


@pytest.mark.parametrize("golden", GOLDEN_DENSE)
def test_golden_dense_ids(golden):
    now = GOLDEN_DENSE[golden]()
    assert now.dense.id == SECOND[golden]
    assert now.model_copy(update={"protocol": 1}).dense.id == golden


def test_the_order_of_keys_does_not_matter():
    backwards = {k: dict(reversed(v.items())) if isinstance(v, dict) else v for k, v in reversed(SPEC.items())}
    assert TrialSpec.model_validate(backwards).id == spec().id


def test_the_spelling_of_numbers_does_not_matter():
    assert spec(keep=1).id == spec(keep=1.0).id
    assert spec(recipe={"lr": "1e-1"}).id == spec(recipe={"lr": 0.1}).id
    assert wgsef(lam=1).id == wgsef(lam="1.0").id == wgsef().id
    assert spec(recipe={"augmentation": ["flip"]}).id == spec(recipe={"augmentation": ("flip",)}).id


@pytest.mark.parametrize("field", [n for n, f in TrialSpec.model_fields.items() if not f.is_required()])
def test_a_default_spelled_out_does_not_matter(field):
    default = TrialSpec.model_fields[field].get_default(call_default_factory=True)
    assert spec(**{field: default}).id == spec().id


@pytest.mark.parametrize("field", [n for n, f in Recipe.model_fields.items() if not f.is_required()])
def test_a_default_of_the_recipe_spelled_out_does_not_matter(field):
    assert spec(recipe={field: Recipe.model_fields[field].default}).id == spec().id


@EVERY_METHOD
def test_a_default_hyperparameter_spelled_out_does_not_matter(method, make_spec):
    plain = make_spec(method)
    assert make_spec(method, hyperparameters=plain.all_hyperparameters).id == plain.id
    assert set(plain.all_hyperparameters) == set(METHODS[method].hyperparameters())


@EVERY_METHOD
def test_the_start_that_a_method_has_anyway_does_not_matter_spelled_out(method, make_spec):
    plain = make_spec(method)
    assert make_spec(method, start=plain.starts_from).id == plain.id


@pytest.mark.parametrize("field", TrialSpec.model_fields)
def test_every_field_of_a_trial_matters(field):
    if field == "recipe":
        assert spec(recipe={"lr": 0.1}).id != spec().id
    elif field == "hyperparameters":
        assert wgsef(**OTHER[field]).id != wgsef().id
    else:
        beside = WITH.get(field, {})
        assert spec(**beside, **{field: OTHER[field]}).id != spec(**beside).id


@pytest.mark.parametrize("field", Recipe.model_fields)
def test_every_field_of_the_recipe_matters_to_a_trial(field):
    assert spec(recipe=other(field)).id != spec().id


@pytest.mark.parametrize("field", Recipe.model_fields)
def test_the_dense_network_depends_on_its_part_of_the_recipe_alone(field):
    same = spec(recipe=other(field)).dense.id == spec().dense.id
    assert same == (field in NOT_DENSE)


@pytest.mark.parametrize("field", ["architecture", "dataset", "seed"])
def test_the_dense_network_depends_on(field):
    assert spec(**{field: OTHER[field]}).dense.id != spec().dense.id


def test_all_methods_share_the_dense_network(make_spec):
    shared = {make_spec(m, start=s).dense.id for m in METHODS for s in (None, "scratch")}
    shared |= {make_spec(grouping="element", scope="network", keep=0.1).dense.id}
    assert len(shared) == 1


@pytest.mark.parametrize("changes", [{"keep": 0.1}, {"scope": "network"}, {"start": "scratch"}])
def test_dense_is_one_trial_whatever_the_budget(changes):
    dense = spec(method="dense", **changes)
    assert dense == spec(method="dense")
    assert (dense.keep, dense.scope, dense.starts_from) == (1.0, "layer", "dense")


RECIPES = [
    pytest.param(
        {"dense_epochs": d, "sparsify_epochs": s, "finetune_epochs": f, "start": start}, id=f"{d}-{s}-{f}-{start}"
    )
    for d, s, f in ((8, 8, 3), (8, 20, 3), (20, 8, 0), (1, 1, 1))
    for start in (None, "scratch", "dense")
]


@EVERY_METHOD
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("start", [None, "scratch", "dense"])
def test_every_method_gets_the_same_number_of_epochs(method, recipe, start, make_spec):
    dense, sparsify, finetune, own = recipe.values()
    if METHODS[method].trains and start == "dense" and own != "dense" and sparsify <= dense:
        with pytest.raises(ValidationError, match="set start: dense in the recipe"):
            make_spec(method, recipe, start=start)
        return
    trial = make_spec(method, recipe, start=start)
    total = trial.recipe.total_epochs
    assert sum(trial.epochs) == total
    assert min(trial.epochs) >= 0
    assert (trial.epochs.sparsify > 0) == METHODS[method].trains
    assert (trial.epochs.dense > 0) == (trial.starts_from == "dense")
    assert total == (dense + sparsify if own == "dense" else max(dense, sparsify)) + finetune


@EVERY_METHOD
@pytest.mark.parametrize("finetune", [0, 1, 5, 9])
def test_a_split_of_its_own_leaves_the_total(method, finetune, make_spec):
    recipe = {"dense_epochs": 8, "sparsify_epochs": 8, "finetune_epochs": 3}
    trial = make_spec(method, recipe, finetune_epochs=finetune)
    cls = METHODS[method]
    expected = (0, 11 - finetune, finetune) if cls.trains else (11 - finetune, 0, finetune)
    assert trial.epochs == (expected if cls.prunes else (8, 0, 3)), "the dense control has nothing to tune"
    if not cls.trains:
        assert trial.dense.recipe.dense_epochs == trial.epochs.dense
    if cls.prunes:
        assert trial.configuration["finetune_epochs"] == finetune


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"finetune_epochs": 11}, "may take at most 10 of its 11 epochs"),
        ({"method": "gmp", "finetune_epochs": 11}, "may take at most 10"),
        ({"method": "random", "start": "scratch", "finetune_epochs": 3}, "trains the final network in all 11 epochs"),
        ({"schedule_over": "trial"}, "has no sparsify phase to go over"),
        ({"equal": "macs"}, "is for a start from scratch"),
        ({"method": "gmp", "equal": "macs"}, "is for a start from scratch"),
        ({"method": "wgsef", "measure": "folded"}, "raw or gamma"),
    ],
)
def test_keys_that_decide_nothing_or_fit_no_phase_are_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        spec(**changes)


WEIGHTS = {"dense_weights": "weights.pt", "dense_epochs": 0, "sparsify_epochs": 6, "finetune_epochs": 2}


@EVERY_METHOD
@pytest.mark.parametrize("start", [None, "scratch", "dense"])
@pytest.mark.parametrize("own", [None, "scratch", "dense"])
def test_with_weights_from_a_file_every_start_gets_the_same_number_of_epochs(method, start, own, make_spec):
    trial = make_spec(method, WEIGHTS | {"start": own}, start=start)
    assert trial.epochs == ((0, 6, 2) if METHODS[method].trains else (0, 0, 8))
    assert trial.recipe.total_epochs == 8


def test_a_file_of_weights_is_known_by_its_name_wherever_it_lies():
    here, there, another = (
        spec(recipe=WEIGHTS | {"dense_weights": w}) for w in ("weights.pt", "a/b/weights.pt", "a/b/others.pt")
    )
    assert (here.id, here.dense.id) == (there.id, there.dense.id)
    assert another.id != here.id
    assert another.dense.id != here.dense.id
    assert there.recipe.dense_weights == "a/b/weights.pt"


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"dense_epochs": 0}, "dense_epochs = 0: must be greater than or equal to 1 without dense_weights"),
        ({"dense_weights": "w.pt"}, "dense_epochs = 8: must be 0 with dense_weights"),
        ({"dense_weights": "", "dense_epochs": 0}, "at least 1 character"),
        ({"dense_epochs": -1}, "greater than or equal to 0"),
    ],
)
def test_the_dense_network_is_trained_here_or_elsewhere(recipe, words):
    with pytest.raises(ValidationError, match=words):
        spec(recipe=recipe)


@EVERY_METHOD
def test_where_a_method_starts(method, make_spec):
    cls = METHODS[method]
    assert make_spec(method).starts_from == cls.starts_from
    for start in ("scratch", "dense"):
        follows = make_spec(method, {"start": start}).starts_from
        assert follows == (start if cls.trains else cls.starts_from), "the recipe speaks to methods that train"
        own = make_spec(method, {"start": "dense"}, start=start).starts_from
        assert own == (start if cls.prunes else "dense"), "the trial's own word goes before that of the recipe"


@EVERY_METHOD
@pytest.mark.parametrize("wrong", [{"nonsense": 1}, {"lam": float("inf")}, {"lam": "x"}])
def test_wrong_hyperparameters_are_refused(method, wrong, make_spec):
    with pytest.raises(ValidationError):
        make_spec(method, hyperparameters=wrong)


def test_a_spec_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        spec().keep = 0.1


@pytest.mark.parametrize("scope", ["layer", "network"])
def test_a_grouping_with_a_scope_of_its_own_is_one_trial_whatever_scope_is_asked_for(make_spec, scope):
    trial = make_spec(grouping="depth", scope=scope)
    assert trial.scope == "network"
    assert trial.id == make_spec(grouping="depth").id
    assert make_spec(grouping="filter", scope=scope).scope == scope


def test_how_widths_are_rounded_is_not_a_matter_of_the_dense_network(make_spec):
    plain, rounded = make_spec(), make_spec(recipe={"round_to": 8})
    assert plain.dense.id == rounded.dense.id
    assert plain.id != rounded.id
