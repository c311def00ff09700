"""The command line of the analysis: python -m analysis RESULTS_DIR ..., compare A B, import TOOL LOG ...

The commands are those of `klevel` as well. What they do is in `analysis.commands`, imported when one is called: pandas
and matplotlib take two seconds, which no help text should.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option
from typer.core import TyperCommand

from results.errors import InputError, Stopped, line

# what a wrong option or argument raises; newer versions of typer bring their own click, which has no public name
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
INTERRUPTED = 130
PLAIN: dict[str, Any] = {
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
ELSEWHERE = "Where to; default: RESULTS_DIR, of several A+B beside the first."
LITERATURE = "Numbers from the literature; default: published.csv beside RESULTS_DIR."
Several = list[str] | None

app = typer.Typer(add_completion=False, help="Draw, compare and import results, from their CSVs alone.", **PLAIN)


class _Command(TyperCommand):
    """A command whose help ends with names, which are looked for when it is asked for."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the names."""
        from analysis import commands

        heading, names = commands.lists()[str(self.name)]
        with formatter.section(heading):
            formatter.write_dl(list(names.items()))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `--only A B` for `--only A --only B`: what follows it and is neither an option nor a path is a name."""
        spread: list[str] = []
        for word in args:
            name = not word.startswith("-") and os.sep not in word
            spread += ["--only"] * (name and spread[-2:-1] == ["--only"]) + [word]
        rest: list[str] = super().parse_args(ctx, spread)
        return rest


@app.command(cls=_Command)
def draw(
    folders: Annotated[list[Path], Argument(metavar="RESULTS_DIR", help="Such as results/quick.")],
    only: Annotated[Several, Option(metavar="NAME[,NAME]", help="These figures and tables alone; no report.")] = None,
    style: Annotated[str, Option(metavar="STYLE", help="paper, talk or web.")] = "paper",
    formats: Annotated[
        str, Option("--format", metavar="FORMAT[,FORMAT]", help="Of the figures: png, pdf, svg.")
    ] = "png,pdf",
    output: Annotated[Path | None, Option(metavar="DIR", help=ELSEWHERE)] = None,
    published: Annotated[Path | None, Option(metavar="FILE", help=LITERATURE)] = None,
    methods: Annotated[
        Several, Option(metavar="NAME[,NAME]", help="These methods and the dense control alone.")
    ] = None,
    keep: Annotated[Several, Option(metavar="KEEP[,KEEP]", help="Only what keeps 0.5,0.25 of the groups, say.")] = None,
    where: Annotated[
        Several, Option(metavar="COLUMN=VALUE", help="Only trials with this in trials.csv; may be repeated.")
    ] = None,
    label: Annotated[Several, Option(metavar="METHOD=TEXT", help="What a method is called; may be repeated.")] = None,
    no_title: Annotated[bool, Option("--no-title", help="Figures without titles.")] = False,
) -> None:
    """Draw figures and tables of results, and report.html.

    Of several folders together, from their CSVs alone. `compare` says what changed from one folder to another, `import`
    brings the logs of other tools.
    """
    from analysis import commands
    from analysis.options import listed, parsed

    options = parsed(methods or (), keep or (), where or (), label or (), not no_title)
    commands.draw(folders, listed(only or ()), style, listed([formats]), output, published, options)


@app.command()
def compare(
    a: Annotated[Path, Argument(metavar="A", help="A results folder, such as results/quick.")],
    b: Annotated[Path, Argument(metavar="B", help="The one to compare it with.")],
    everything: Annotated[bool, Option("--all", help="Also what did not change.")] = False,
) -> None:
    """Say what changed from one results folder to another."""
    from analysis import commands

    commands.compare(a, b, everything)


@app.command("import", cls=_Command)
def import_(
    tool: Annotated[str, Argument(metavar="TOOL", help="One of those below.")],
    logs: Annotated[list[Path], Argument(metavar="LOG", help="Files or folders of that tool.")],
    output: Annotated[
        Path | None, Option(metavar="DIR", help="The results folder to write; default: results/TOOL.")
    ] = None,
) -> None:
    """Bring the logs of another tool into klevel's columns.

    They become a results folder like any other.
    """
    from analysis import commands

    commands.bring_in(tool, logs, output)


def answer(commands: typer.Typer, arguments: Sequence[str] | None, program: str, start: str) -> int:
    """Run the command that the arguments name (None: those of the process) and return the exit code.

    What is wrong with the input becomes one line on stderr, after `start`, and exit code 2. program: as usage has it.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without ± gets a question mark
    try:
        code = commands(arguments, prog_name=program, standalone_mode=False)
        if code == INTERRUPTED:  # newer versions of typer make this of Ctrl-C
            raise KeyboardInterrupt
        return int(code or 0)
    except UsageError as error:
        message = " ".join(error.format_message().split()).rstrip(".")  # type: ignore[attr-defined]
        command = getattr(getattr(error, "ctx", None), "command_path", program)
        print(line(f"{start}: {message}; see {command} --help"), file=sys.stderr)
    except InputError as error:
        print(line(f"{start}: {error}"), file=sys.stderr)
    except OSError as error:
        said = f"cannot use {error.filename}: {error.strerror}" if error.filename else error
        print(line(f"{start}: {said}"), file=sys.stderr)
    except Stopped as stopped:
        print(f"{start}: stopped by signal {stopped.signal}; call again to go on", file=sys.stderr)
        return 128 + stopped.signal
    except (KeyboardInterrupt, typer.Abort):
        print(f"{start}: stopped; call again to go on", file=sys.stderr)
        return INTERRUPTED
    return 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; without the name of one, draw. Return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in ("draw", "compare", "import"):
        given = ["draw", *given]
    return answer(app, given, "python -m analysis", "error")


if __name__ == "__main__":
    sys.exit(main())
