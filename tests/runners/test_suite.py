"""A suite: what ships, how a grid expands, and one line for whatever is wrong with it."""

import copy

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from results.errors import InputError
from runners import suite, suite_files
from runners.__main__ import main

METHODS = ["dense", "random", {"name": "wgsef", "lam": 1.0}]
BASE = {
    "suite": "t",
    "recipe": {"dense_epochs": 2, "sparsify_epochs": 3, "finetune_epochs": 1},
    "grid": {"dataset": ["digits"], "architecture": ["mlp"], "keep": [0.5, 0.25], "seed": [0, 1], "method": METHODS},
}


def changed(*changes):
    """BASE with (dotted path, value) applied; a value of ... takes the key away."""
    content = copy.deepcopy(BASE)
    for path, value in changes:
        *folders, key = path.split(".")
        place = content
        for folder in folders:
            place = place[folder]
        if value is ...:
            del place[key]
        else:
            place[key] = value
    return content


@pytest.fixture
def load(tmp_path):
    def of(content, *overrides):
        path = tmp_path / "s.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
        return suite.load(str(path), overrides)

    return of


def axis(loaded, key):
    return sorted({getattr(t, key) for t in loaded.trials})


@pytest.mark.parametrize("name", suite_files.names())
def test_every_shipped_suite_loads_and_compares_with_the_controls(name):
    loaded = suite.load(name)
    ids = [t.id for t in loaded.trials]
    assert ids
    assert len(set(ids)) == len(ids)
    for place in {(t.architecture, t.dataset) for t in loaded.trials}:
        methods = {t.method for t in loaded.trials if (t.architecture, t.dataset) == place}
        assert {"dense", "random", "magnitude"} <= methods, place


@pytest.mark.parametrize("name", suite_files.names())
def test_every_shipped_suite_says_what_it_is_in_its_first_line(name):
    assert (suite_files.FOLDER / f"{name}.yaml").read_text().startswith("# ")
    assert suite.load(name).name == name, "a shipped suite's results folder has its own name"


@pytest.mark.slow
def test_suite_paper_has_the_networks_and_datasets_of_the_paper():
    trials = suite.load("paper").trials
    small = {(a, d) for a in ("vgg16", "resnet18", "mobilenet_v1") for d in ("cifar10", "fashion_mnist")}
    others = {("vgg16", "cifar100"), ("densenet40", "cifar100"), ("torchvision/resnet50", "imagenet")}
    places = {(t.architecture, t.dataset) for t in trials}
    assert places == small | others | {("lenet5", "mnist")}
    for place in places:
        here = [t for t in trials if (t.architecture, t.dataset) == place]
        assert {t.seed for t in here} == {0, 1, 2}
        assert {t.method for t in here} >= {"l1_filter", "group_lasso", "wgsef", "wgsef_dc"}, place
        assert {sum(t.epochs) for t in here} == {here[0].recipe.total_epochs}, f"{place}: not the same epochs for all"
        assert len({t.dense.id for t in here}) == 3, f"{place}: one recipe, so a dense network per seed"


@pytest.mark.slow
def test_suite_paper_can_be_looked_at_without_its_datasets(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "paper", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith(f"trials: {len(suite.load('paper').trials)}; ")
    assert not list(tmp_path.iterdir())


def test_suite_cifar_full_is_suite_cifar_with_more_images_epochs_and_seeds():
    quick, full = suite.load("cifar"), suite.load("cifar_full")
    for key in ("method", "grouping", "keep", "architecture", "dataset"):
        assert axis(quick, key) == axis(full, key)

    def settings(loaded):
        return {(t.method, t.architecture, t.grouping, t.keep, t.recipe.dense_weights) for t in loaded.trials}

    assert settings(quick) <= settings(full)
    assert (axis(quick, "seed"), axis(full, "seed")) == ([0], [0, 1, 2])
    budget = {"train_images", "sparsify_epochs", "finetune_epochs"}
    rest = [{t.recipe.model_dump_json(exclude=budget) for t in loaded.trials} for loaded in (quick, full)]
    assert rest[0] == rest[1]


def test_a_strength_for_each_family_is_a_list_in_the_list_of_values_to_try(load):
    entry = {"name": "wgsef", "lam": ["bound", [0.1, 0.2]], "weights": ["size", [1, [1.0, 2.0]]]}
    trials = load(changed(("grid.method", ["dense", "random", entry]), ("grid.seed", [0]))).trials
    given = [t.hyperparameters for t in trials if t.method == "wgsef"]
    assert {"weights": "size"} in given, "bound is the default and leaves no trace"
    assert {"lam": (0.1, 0.2), "weights": (1.0, (1.0, 2.0))} in given


def test_a_grid_expands_to_every_combination_and_dense_once_per_seed(load):
    loaded = load(changed(("grid.scope", ["layer", "network"]), ("grid.keep", [0.5, 0.25, 0.1])))
    counts = {m: sum(t.method == m for t in loaded.trials) for m in ("dense", "random", "wgsef")}
    assert counts == {"dense": 2, "random": 12, "wgsef": 12}
    assert loaded.name == "t"


def test_the_defaults_of_a_grid(load):
    loaded = load(BASE)
    assert (axis(loaded, "grouping"), axis(loaded, "scope")) == (["filter"], ["layer"])
    assert load(changed(("suite", ...))).name == "s"


def test_a_single_value_stands_for_a_list_of_it(load):
    assert load(changed(("grid.keep", 0.5), ("grid.seed", 0), ("grid.method", "random"))).trials == (
        load(changed(("grid.keep", [0.5]), ("grid.seed", [0]), ("grid.method", ["random"]))).trials
    )


def test_a_method_entry_overrides_the_grid(load):
    entry = {"name": "magnitude", "grouping": "element", "scope": "network", "start": "scratch"}
    loaded = load(changed(("grid.method", ["magnitude", entry])))
    own = [t for t in loaded.trials if t.grouping == "element"]
    assert len(loaded.trials) == 8
    assert len(own) == 4
    assert {(t.scope, t.starts_from) for t in own} == {("network", "scratch")}


def test_lists_in_a_method_entry_are_a_sweep(load):
    entry = {"name": "wgsef", "lam": [0.1, 1.0], "ramp": [0.25, 0.75], "grouping": ["filter", "element"]}
    loaded = load(changed(("grid.method", [entry])))
    settings = {(t.hyperparameters["lam"], t.hyperparameters["ramp"], t.grouping) for t in loaded.trials}
    assert len(loaded.trials) == 2 * 2 * 2 * 4
    assert settings == {(a, b, g) for a in (0.1, 1.0) for b in (0.25, 0.75) for g in ("filter", "element")}


def test_the_same_trial_named_twice_is_run_once(load):
    twice = [{"name": "wgsef", "lam": 1}, {"name": "wgsef", "lam": 1.0, "ramp": 0.0}, "random", "random"]
    assert len(load(changed(("grid.method", twice))).trials) == 8
    grid = BASE["grid"]
    assert load(changed(("grid", [grid, grid]))).trials == load(BASE).trials


def test_each_grid_of_a_list_may_change_the_recipe(load):
    grids = [BASE["grid"], BASE["grid"] | {"recipe": {"lr": 0.2}}]
    loaded = load(changed(("grid", grids)))
    assert len(loaded.trials) == 2 * len(load(BASE).trials)
    assert {t.recipe.lr for t in loaded.trials} == {0.05, 0.2}
    assert {t.recipe.dense_epochs for t in loaded.trials} == {2}


def test_overrides_reach_every_grid_and_win_over_its_recipe(load):
    grids = [BASE["grid"], BASE["grid"] | {"recipe": {"lr": 0.2}}]
    loaded = load(changed(("grid", grids)), "keep=[0.75]", "lr=1e-3", "train_images=60", "method=[random]")
    assert axis(loaded, "keep") == [0.75]
    assert axis(loaded, "method") == ["random"]
    assert {(t.recipe.lr, t.recipe.train_images) for t in loaded.trials} == {(1e-3, 60)}


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("keep=[0.75]", "lr=1e-3"),
        ("seed=7", "method=[random, {name: wgsef, lam: [0.1, bound]}]", "dense_epochs=1"),
    ],
)
def test_the_text_of_a_suite_makes_the_same_trials_again(load, overrides):
    grids = [BASE["grid"], BASE["grid"] | {"recipe": {"lr": 0.2}}]
    loaded = load(changed(("grid", grids)), *overrides)
    assert load(loaded.text).trials == loaded.trials
    assert load(loaded.text).name == loaded.name
    assert loaded.text.startswith("# With --set 'keep=[0.75]' --set lr=1e-3\n" if "lr=1e-3" in overrides else "")


@pytest.mark.parametrize("name", suite_files.names())
def test_a_shipped_suite_with_an_override_makes_the_same_trials_again(load, name):
    loaded = suite.load(name, ("seed=[5]", "batch_size=32"))
    assert load(loaded.text).trials == loaded.trials


GRID = "s.yaml: grid: "
WRONG = {
    "unknown top key": (("grids", {}), ["s.yaml: grids: unknown key", "did you mean grid?", "recipe"]),
    "unknown recipe key": (("recipe.epochs", 3), ["s.yaml: recipe: epochs: unknown key", "dense_epochs"]),
    "misspelt recipe key": (("recipe.optimiser", "sgd"), ["recipe: optimiser: unknown key", "did you mean optimizer?"]),
    "unknown grid key": (("grid.sead", [1]), [GRID, "sead: unknown key", "did you mean seed?"]),
    "unknown key of a grid's recipe": (("grid.recipe", {"lrr": 1}), ["grid.recipe: lrr: unknown key", "mean lr?"]),
    "unknown key of a method": (
        ("grid.method", ["dense", {"name": "wgsef", "lam": 1, "rmap": 1}]),
        ["grid.method[1]: rmap: unknown key", "did you mean ramp?", "lam"],
    ),
    "misspelt method": (("grid.method", ["wgsf"]), ["grid.method[0] = 'wgsf'", "did you mean wgsef?", "random"]),
    "misspelt method in a mapping": (("grid.method", [{"name": "wgsf"}]), ["method[0] = 'wgsf'", "mean wgsef?"]),
    "misspelt dataset": (("grid.dataset", ["digit"]), [GRID, 'dataset = "digit"', "did you mean digits?", "mnist"]),
    "misspelt architecture": (("grid.architecture", ["lenet_5"]), ['architecture = "lenet_5"', "mean lenet5?", "mlp"]),
    "misspelt grouping": (("grid.grouping", ["fliter"]), [GRID, 'grouping = "fliter"', "mean filter?", "element"]),
    "misspelt grouping of a method": (
        ("grid.method", ["dense", {"name": "magnitude", "grouping": "elment"}]),
        ["s.yaml: grid.method[1]", 'grouping = "elment"', "did you mean element?"],
    ),
    "misspelt optimizer": (("recipe.optimizer", "sdg"), ["s.yaml: recipe: optimizer", '"sdg"', "'sgd'", "'adamw'"]),
    "misspelt augmentation": (
        ("recipe.augmentation", ["flip", "corp"]),
        ["s.yaml: recipe: augmentation[1]", '"corp"', "did you mean crop?"],
    ),
    "augmentation is no list": (("recipe.augmentation", "flip"), ["recipe: augmentation", '"flip"']),
    "scope": (("grid.scope", ["layers"]), [GRID, 'scope = "layers"', "'layer'", "'network'"]),
    "start": (("recipe.start", "warm"), ["recipe: start", '"warm"', "'scratch'", "'dense'"]),
    "start of a method": (("grid.method", [{"name": "random", "start": "x"}]), ["grid.method[0]: start", "'scratch'"]),
    "keep 0": (("grid.keep", [0.5, 0]), [GRID, "keep = 0", "greater than 0"]),
    "keep 1.5": (("grid.keep", [1.5]), [GRID, "keep = 1.5", "less than or equal to 1"]),
    "keep is no number": (("grid.keep", ["half"]), [GRID, 'keep = "half"', "number"]),
    "keep is not finite": (("grid.keep", [float("nan")]), [GRID, "keep = NaN", "finite"]),
    "seed": (("grid.seed", [-1]), [GRID, "seed = -1", "greater than or equal to 0"]),
    "negative lam": (
        ("grid.method", ["dense", {"name": "wgsef", "lam": -2}]),
        ["s.yaml: grid.method[1]", "lam = -2", "greater than or equal to 0"],
    ),
    "one of a sweep is wrong": (
        ("grid.method", [{"name": "wgsef", "lam": [1, "x"]}]),
        ["s.yaml: grid.method[0]", 'lam = "x"', "number"],
    ),
    "no epochs": (("recipe.sparsify_epochs", 0), ["s.yaml: recipe: sparsify_epochs = 0", "greater than or equal to 1"]),
    "missing epochs": (("recipe.dense_epochs", ...), ["s.yaml: recipe: dense_epochs: missing"]),
    "missing recipe": (("recipe", ...), ["s.yaml: recipe: dense_epochs: missing"]),
    "recipe is a list": (("recipe", [1]), ["s.yaml: recipe", "a mapping with dense_epochs", "list"]),
    "lr": (("recipe.lr", 0), ["s.yaml: recipe: lr = 0", "greater than 0"]),
    "missing axis": (("grid.dataset", ...), [GRID, "dataset: missing", "a list"]),
    "empty axis": (("grid.keep", []), [GRID, "keep: is empty", "at least one"]),
    "empty methods": (("grid.method", []), [GRID, "method: is empty"]),
    "method is a number": (("grid.method", [3]), ["grid.method[0] = 3", "name"]),
    "no grid": (("grid", ...), ["s.yaml: grid", "mapping"]),
    "empty grid": (("grid", []), ["s.yaml: grid: is empty", "list of mappings"]),
    "grid is a word": (("grid", "digits"), ["s.yaml: grid", "a mapping with dataset", "str"]),
    "second grid": (("grid", [BASE["grid"], {"keep": [2]}]), ["s.yaml: grid[1]: dataset: missing"]),
    "name": (("suite", "../t"), ["s.yaml: suite = '../t'", "letters"]),
}


def one_line(error):
    message = str(error.value)
    assert message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_suite_gives_one_line_that_says_where_what_and_what_is_allowed(load, case):
    change, fragments = WRONG[case]
    with pytest.raises(InputError) as error:
        load(changed(change))
    message = one_line(error)
    assert message.startswith("s.yaml: ")
    assert [f for f in fragments if f not in message] == [], message


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("suite: [t", ["not YAML"]),
        ("suite: t\n\tgrid: 3", ["not YAML"]),
        ("suite: t\nsuite: u\n", ["'suite' is given twice"]),
        ("recipe: {lr: 1, lr: 2}", ["'lr' is given twice", "line 1"]),
        ("", ["a mapping with suite, recipe, grid", "NoneType"]),
        ("- suite", ["a mapping with suite, recipe, grid", "list"]),
        ("a: !!python/object:os.system {}", ["not YAML"]),
        ("suite: 2024-13-45", ["not YAML"]),
    ],
)
def test_a_file_that_is_no_suite_gives_one_line(load, text, fragments):
    with pytest.raises(InputError) as error:
        load(text)
    message = one_line(error)
    assert message.startswith("s.yaml: ")
    assert [f for f in fragments if f not in message] == [], message


def test_a_file_that_is_not_text_gives_one_line(tmp_path):
    (tmp_path / "s.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"^s\.yaml: not YAML: ") as error:
        suite.load(str(tmp_path / "s.yaml"))
    one_line(error)


@pytest.mark.parametrize("name", ["quikc", "/no/such/suite.yaml"])
def test_no_such_suite(name):
    with pytest.raises(InputError, match="no such suite") as error:
        suite.load(name)
    assert one_line(error).startswith(f"{name}: ")
    assert "known: " in str(error.value)
    assert name != "quikc" or "did you mean quick?" in str(error.value)


@pytest.mark.parametrize(
    ("override", "fragments"),
    [
        ("kep=[1]", ["--set kep=[1]", "did you mean keep?"]),
        ("keep", ["--set keep", "key=value"]),
        ("keep=[0.5", ["--set keep=[0.5", "not YAML"]),
        ("keep=2024-13-45", ["--set keep=2024-13-45", "not YAML"]),
        ("keep=7", ["keep = 7", "less than or equal to 1"]),
        ("lr=fast", ['lr = "fast"', "number"]),
        ("method=[wgsf]", ["'wgsf'", "did you mean wgsef?"]),
        ("=3", ["--set =3", "key=value"]),
    ],
)
def test_a_wrong_override_gives_one_line(load, override, fragments):
    with pytest.raises(InputError) as error:
        load(BASE, override)
    message = one_line(error)
    assert [f for f in fragments if f not in message] == [], message


def test_a_method_that_trains_needs_epochs_to_do_it_in(load):
    with pytest.raises(InputError, match=r"s\.yaml: grid\.method\[0\]: start = dense leaves wgsef 0 of 4") as error:
        load(changed(("recipe.dense_epochs", 3), ("grid.method", [{"name": "wgsef", "lam": 1, "start": "dense"}])))
    assert "start: dense in the recipe" in one_line(error)


def test_dense_is_short_for_a_network_from_a_file(load):
    without = changed(("recipe.dense_epochs", ...))
    short, long, both = (
        without | {"recipe": without["recipe"] | keys}
        for keys in (
            {"dense": "w.pt"},
            {"dense_weights": "w.pt", "dense_epochs": 0},
            {"dense": "w.pt", "dense_epochs": 0},
        )
    )
    assert load(short) == load(long)
    with pytest.raises(InputError, match="recipe: dense: says what dense_epochs says as well; one of them is needed"):
        load(both)


@given(st.integers(1, 12), st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_shards_are_a_partition_of_one_size_that_keeps_dense_networks_together(tmp_path_factory, n, seeds):
    file = tmp_path_factory.mktemp("suite") / "s.yaml"
    grid = {"dataset": ["digits"], "architecture": ["mlp"], "keep": [0.5, 0.25], "seed": list(range(seeds))}
    recipe = {"dense_epochs": 1, "sparsify_epochs": 1, "finetune_epochs": 1}
    file.write_text(yaml.safe_dump({"recipe": recipe, "grid": grid | {"method": ["magnitude", "random"]}}))
    trials = suite.load(str(file)).trials
    parts = [suite.sharded(trials, i, n) for i in range(1, n + 1)]
    assert sorted(s.id for part in parts for s in part) == sorted(s.id for s in trials)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    shared = sum(len({s.dense.id for s in part}) for part in parts)
    assert shared <= seeds + n - 1, "a cut parts one dense network at most"
