"""The program `esc_features`, and `extract_features`, a shortcut for its main command."""

import argparse
import importlib
import sys
from types import ModuleType
from typing import NoReturn

from . import __version__
from ._suggest import did_you_mean
from ._terminal import ends_with_its_reader, never_fail_to_encode, printable, say

# Command -> description, in the order of `--help`. Each command is a module of that name in `_commands`.
COMMANDS = {
    "extract": "compute features into a store; the same as extract_features",
    "show": "print the content of a store, or the card of a model",
    "verify": "check the integrity of a store",
    "repair": "repair what verify reports, and compute nothing else",
    "explain": "show which files would be recomputed, and why",
    "view": "browse and play the clips in a web browser",
    "evaluate": "evaluate methods over the official folds, and rank them",
    "train": "fit a method on all folds of a store, and save it as one file",
    "predict": "detect sounds in recordings of any length",
    "listen": "classify the sound of the microphone, live",
}


@ends_with_its_reader()
def main(arguments: list[str] | None = None) -> int:
    """Run `esc_features COMMAND`; return 0, 1 if the command found problems, or 2 if it could not run."""
    never_fail_to_encode()
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments and arguments[0] in COMMANDS:
        return _run(arguments[0], f"esc_features {arguments[0]}", arguments[1:])
    parser = _Parser(
        prog="esc_features",
        description="Create, check, view and use stores of precomputed audio features.",
        epilog="commands:\n" + "\n".join(f"  {name:11}{what}" for name, what in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "command", choices=COMMANDS, metavar="COMMAND", help="one of the commands below; see COMMAND --help"
    )
    parser.parse_args(arguments)
    return 2


@ends_with_its_reader()
def extract_features(arguments: list[str] | None = None) -> int:
    """Run `extract_features`, which is `esc_features extract`."""
    never_fail_to_encode()
    return _run("extract", "extract_features", sys.argv[1:] if arguments is None else list(arguments))


def _run(name: str, program: str, arguments: list[str]) -> int:
    command = importlib.import_module(f"{__package__}._commands.{name}")
    parser = _Parser(prog=program, description=_description(command))
    command.add_arguments(parser)
    options = parser.parse_args(arguments)
    from .exceptions import ClipTableError, DownloadError, ExtractionError, StoreError

    try:
        return command.run(options)
    except BrokenPipeError:
        raise
    except ExtractionError as error:  # names the clips that failed; the others were extracted
        say(error, error=True)
        return 1
    except (StoreError, ClipTableError, DownloadError, ValueError, OSError, ImportError) as error:
        say(f"{program}: {error}", error=True)
        return 2
    except KeyboardInterrupt:
        say(f"\nInterrupted. {getattr(command, 'INTERRUPTED', '')}".rstrip(), error=True)
        return 130


def _description(command: ModuleType) -> str:
    """Return `DESCRIPTION` of a command, or what follows its name in the docstring."""
    text = (command.__doc__ or "").partition(": ")[2].strip()
    return getattr(command, "DESCRIPTION", text[:1].upper() + text[1:])


class _Parser(argparse.ArgumentParser):
    """A parser that suggests the option or command that was probably meant."""

    def parse_args(self, args=None, namespace=None):  # type: ignore[override]
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            self.error(f"There is no argument {unknown[0]}.{did_you_mean(unknown[0].partition('=')[0], known)}")
        return options

    def _check_value(self, action: argparse.Action, value: str) -> None:
        if action.choices is not None and value not in action.choices:
            names = ", ".join(map(str, action.choices))
            raise argparse.ArgumentError(
                action, f"There is no {value!r}.{did_you_mean(value, action.choices)} Use {names}."
            )

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


if __name__ == "__main__":
    sys.exit(main())
