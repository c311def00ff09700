"""The contract of an importer, and the one reader of what other tools wrote, none of it trusted."""

import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shown
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from results.columns import MANY
from results.errors import InputError

Cells = dict[str, Any]
# numbers are read from text, so that True is none
AsText = BeforeValidator(lambda value: None if value in (None, "None") else str(value))
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:+/-]+$", description="a name")]
Epochs = Annotated[int, AsText, Field(ge=0, le=10**9, description="a whole number")]


class Run(BaseModel):
    """A run that prunes, or a dense network. Fields with a description are read from the settings that a tool logs.

    asked: the speed-up or compression asked for. where: the file and line, or the folder. configuration: tells the run
    from all but its repetitions. cells: more of its row in trials.csv. epochs: rows of epochs.csv by phase, with
    accuracies on the test set. reason: why it failed.
    """

    method: Name
    architecture: Annotated[Name, AfterValidator(str.lower)]
    dataset: Annotated[Name, AfterValidator(lambda name: re.sub("^imagenet.*", "imagenet", name.lower()))]
    asked: Annotated[float, AsText, Field(ge=1, le=MANY, description="a number of at least 1")]
    finetune_epochs: Epochs
    sparsify_epochs: Epochs = 0
    seed: Annotated[int | None, AsText, Field(description="a whole number or None")] = None
    global_pruning: Annotated[Literal["True", "False"], Field(description="True or False")] = "True"
    device: Name = ""
    where: str = ""
    configuration: dict[str, str] = {}
    hyperparameters: Cells = {}
    cells: Cells = {}
    epochs: dict[str, list[Cells]] = {"sparsify": [], "finetune": []}
    reason: str | None = None


@dataclass(frozen=True)
class Importer:
    """A tool whose files can be read. Found by discovery: an instance in a file of this package is enough.

    description: one line on what is to be given. notes: lines on what the numbers do not say. read: returns the runs
    that a path holds, and a line for each that prunes nothing. Raises InputError for what cannot be read at all.
    """

    name: str
    description: str
    notes: list[str]
    read: Callable[[Path], list[Run | str]]


class LogFile(NamedTuple):
    """A file, and one line on what is to be given. Its methods raise InputError if it does not hold that."""

    path: Path
    wanted: str

    def error(self, problem: str) -> InputError:
        """Return an error that names the file, says the problem and asks for what is wanted."""
        return InputError(f"{self.path}{problem}; give {self.wanted}")

    def text(self) -> str:
        """Return the text in UTF-8."""
        try:
            return self.path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise self.error(f" cannot be opened: {error.strerror}") from None
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise self.error(f", line {line}: not text in UTF-8") from None

    def content(self) -> Any:
        """Return the object in a JSON file, or the rows of a CSV by its header."""
        text = self.text()
        rows = csv.DictReader(io.StringIO(text, newline=""))
        try:
            return TypeAdapter(Cells).validate_json(text) if self.path.suffix == ".json" else list(rows)
        except (ValidationError, csv.Error) as error:
            problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise self.error(f": {problem}") from None

    def run(self, names: Mapping[str, str], settings: Cells, absent: str, lines: Mapping[str, int]) -> Run:
        """Return the run of settings with these names by field. absent: says that one lacks; lines: where they are."""
        try:
            return Run(**{field: settings[name] for field, name in names.items() if name in settings})
        except ValidationError as error:
            field = str(error.errors()[0]["loc"][0])
        if (name := names[field]) not in settings:
            raise self.error(absent.format(name))
        where = f"{self.path}, line {lines[name]}" if name in lines else self.path
        raise InputError(f"{where}: {name} is {shown(settings[name])}, expected {Run.model_fields[field].description}")


def number(value: Any, *limits: float) -> float | None:
    """Return text or a number as a float; None if it is no number, as True is, or not within limits, if given."""
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if not limits or limits[0] <= found <= limits[1] else None
